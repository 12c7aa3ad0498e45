# mypy: disable-error-code="import-untyped"
"""neonize events as plain dictionaries."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict


def jid_text(jid: Any) -> str:
    if not jid.Server:
        return ""
    device = f":{jid.Device}" if jid.Device else ""
    return f"{jid.User}{device}@{jid.Server}"


def source(source: Any) -> dict[str, Any]:
    return {
        "chat": jid_text(source.Chat),
        "sender": jid_text(source.Sender),
        "sender_alt": jid_text(source.SenderAlt),
        "recipient_alt": jid_text(source.RecipientAlt),
        "from_me": source.IsFromMe,
        "group": source.IsGroup,
    }


def message(event: Any) -> dict[str, Any]:
    info = event.Info
    content = MessageToDict(event.Message)
    keys = set(content) - {"messageContextInfo"}
    return {
        "id": info.ID,
        **source(info.MessageSource),
        "edit": info.Edit,
        "type": info.Type,
        "timestamp": info.Timestamp,
        "push_name": info.Pushname,
        "message": content,
        "only_sender_key": keys == {"senderKeyDistributionMessage"},
    }


def receipt(event: Any) -> dict[str, Any]:
    names = {number: name for name, number in event.ReceiptType.items()}
    return {
        "ids": list(event.MessageIDs),
        **source(event.MessageSource),
        "type": names.get(event.Type, str(event.Type)).lower(),
        "timestamp": event.Timestamp,
    }


def undecryptable(event: Any) -> dict[str, Any]:
    return {"id": event.Info.ID, **source(event.Info.MessageSource), "unavailable": event.IsUnavailable}


def group_change(event: Any) -> dict[str, Any]:
    people = {
        name.lower(): [jid_text(jid) for jid in getattr(event, name)] for name in ("Join", "Leave", "Promote", "Demote")
    }
    changed: dict[str, Any] = {"group": jid_text(event.JID), "by": jid_text(event.Sender)}
    changed |= {name: jids for name, jids in people.items() if jids}
    if event.HasField("Name"):
        changed["subject"] = event.Name.Name
    if event.HasField("Announce"):
        changed["announcement"] = event.Announce.IsAnnounce
    if event.HasField("Locked"):
        changed["locked"] = event.Locked.isLocked
    return changed


def group_info(info: Any) -> dict[str, Any]:
    participants = {
        jid_text(member.JID): {
            "phone": jid_text(member.PhoneNumber),
            "admin": member.IsAdmin,
            "owner": member.IsSuperAdmin,
        }
        for member in info.Participants
    }
    return {
        "group": jid_text(info.JID),
        "subject": info.GroupName.Name,
        "announcement": info.GroupAnnounce.IsAnnounce,
        "locked": info.GroupLocked.isLocked,
        "participants": participants,
    }


def joined(event: Any) -> dict[str, Any]:
    return {"group": jid_text(event.GroupInfo.JID), "subject": event.GroupInfo.GroupName.Name, "reason": event.Reason}


def other(event: Any) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(event)
    return found
