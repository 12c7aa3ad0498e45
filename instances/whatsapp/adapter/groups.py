"""What WhatsApp says of a group, and of changes to it."""

from datetime import UTC, datetime
from typing import Any

from neonize.proto import Neonize_pb2 as pb

from chats import harmless
from instances.whatsapp import events as ev
from instances.whatsapp.adapter import jids
from instances.whatsapp.errors import AdminsOnly, AdminsWrite, NotAllowed


def joined(group: pb.GroupInfo) -> ev.GroupChanged:
    """All of a group, as it is now."""
    people = []
    admins: set[str] = set()
    for one in group.Participants:
        jid, lid, phone = jids.text(one.JID), jids.text(one.LID), jids.text(one.PhoneNumber)
        if one.IsAdmin or one.IsSuperAdmin:
            admins.update({jid, lid, phone} - {""})
        people.append(ev.Party(phone or jid, lid if lid != (phone or jid) else ""))
    return ev.GroupChanged(
        jid=jids.text(group.JID),
        at=datetime.now(UTC),
        name=group.GroupName.Name,
        locked=group.GroupLocked.isLocked,
        announce=group.GroupAnnounce.IsAnnounce,
        admins=tuple(sorted(admins)),
        people=tuple(people),
    )


def hindrance(group: pb.GroupInfo, own: set[str]) -> type[NotAllowed] | None:
    """Why a pin by `own` would not be seen in a group: its rules bind whoever is no admin."""
    for one in group.Participants:
        ours = own & {jids.text(one.JID), jids.text(one.LID), jids.text(one.PhoneNumber)}
        if ours - {""} and (one.IsAdmin or one.IsSuperAdmin):
            return None
    if group.GroupAnnounce.IsAnnounce:
        return AdminsWrite
    return AdminsOnly if group.GroupLocked.isLocked else None


def changed(event: pb.GroupInfoEvent) -> ev.GroupChanged:
    """What somebody changed, with words for the chat."""
    words = []
    change: dict[str, Any] = {}
    if event.HasField("Name"):
        words.append(f"changed the group's name to “{event.Name.Name}”")
        change["name"] = event.Name.Name
    if event.HasField("Topic"):
        words.append("changed the group's description")
        change["description"] = event.Topic.Topic
    if event.HasField("Locked"):
        words.append(
            "let only admins change the group" if event.Locked.isLocked else "let all members change the group"
        )
        change["locked"] = event.Locked.isLocked
    if event.HasField("Announce"):
        words.append("let only admins write" if event.Announce.IsAnnounce else "let all members write")
        change["announce"] = event.Announce.IsAnnounce
    for people, name, what in (
        (event.Join, "added", "added {}"),
        (event.Leave, "removed", "removed {}"),
        (event.Promote, "promoted", "made {} an admin"),
        (event.Demote, "demoted", "made {} no longer an admin"),
    ):
        if people:
            change[name] = [jids.text(jid) for jid in people]
            words.append(what.format(", ".join(jid.User for jid in people)))
    return ev.GroupChanged(
        jid=jids.text(event.JID),
        at=harmless.moment(event.Timestamp),
        name=event.Name.Name if event.HasField("Name") else None,
        locked=event.Locked.isLocked if event.HasField("Locked") else None,
        announce=event.Announce.IsAnnounce if event.HasField("Announce") else None,
        text="; ".join(words),
        actor=ev.Party(jids.text(event.Sender)) if event.HasField("Sender") else None,
        change=change,
    )
