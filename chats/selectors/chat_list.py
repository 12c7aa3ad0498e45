"""The list of chats: the newest first, each with its last message and what is unread."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.http import Http404

from chats.models import Chat, Message, Pin
from chats.selectors.names import numbered
from chats.selectors.places import Place
from instances import access
from portal.letters import holds

PAGE = 18
# More unread ones than this are shown as "99+", and not counted.
UNREAD_SHOWN = 99

# Counts along the chat's index and stops early: a chat with a million unread
# messages costs no more than one with a hundred. (Django's ORM cannot limit
# inside a count.)
_ACTIONS = ", ".join(f"'{kind.value}'" for kind in sorted({*Message.ACTIONS, Message.Kind.SYSTEM}))
_UNREAD = f"""(SELECT COUNT(*) FROM (
    SELECT 1 FROM chats_message unread
    WHERE unread.chat_id = chats_chat.id
      AND unread.sent_at > COALESCE(chats_chat.read_at, chats_chat.created_at)
      AND NOT unread.from_me AND unread.kind NOT IN ({_ACTIONS})
    LIMIT {UNREAD_SHOWN + 1}) AS counted)"""  # noqa: S608  # Nothing in it comes from outside.


@dataclass(frozen=True, slots=True)
class ListedChat:
    """One line of the list."""

    chat: Any
    last: Message | None

    @property
    def unread(self) -> str:
        """How many, in words; empty when none."""
        count: int = self.chat.unread
        return "" if not count else f"{UNREAD_SHOWN}+" if count > UNREAD_SHOWN else str(count)


def chats_of(user: access.User) -> QuerySet[Chat]:
    """The chats a person may see; each row carries their `role` for its instance."""
    role = access.role_of(user, "instance__account", "instance")
    return Chat.objects.annotate(role=role).filter(role__isnull=False)


def find_chat(user: access.User, pk: int, *, at: int | None = None) -> Any:
    """A chat this person may see; `anchor_at` is when its message `at` was sent, if it is one. Raises Http404."""
    anchor = Message.objects.filter(pk=at or 0, chat=OuterRef("pk")).exclude(kind__in=Message.ACTIONS)
    found = chats_of(user).annotate(anchor_at=Subquery(anchor.values("sent_at")[:1]))
    chat = found.select_related("instance").filter(pk=pk).first()
    if chat is None:
        raise Http404
    return chat


def find_message(user: access.User, pk: int) -> Any:
    """A message this person may see, with its chat and instance; carries their `role`. Raises Http404."""
    role = access.role_of(user, "instance__account", "instance")
    found = Message.objects.annotate(role=role).filter(role__isnull=False, pk=pk)
    message = found.select_related("chat", "instance", "pin").first()
    if message is None:
        raise Http404
    return message


def list_chats(
    user: access.User,
    *,
    instance: str = "",
    text: str = "",
    unread: bool = False,
    before: Place | None = None,
    limit: int = PAGE,
) -> tuple[list[ListedChat], Place | None]:
    """One page of the list, and where the next one begins (None: nowhere)."""
    found = chats_of(user).filter(last_message_at__isnull=False)
    if instance:
        found = found.filter(instance__uid=instance)
    if text:
        found = found.filter(named(text))
    if before is not None:
        found = found.filter(before.older("last_message_at"))
    found = found.annotate(
        instance_name=F("instance__name"),
        unread=RawSQL(_UNREAD, (), output_field=IntegerField()),  # noqa: S611  # as above
        last_pk=last_message(),
        has_pin=Exists(Pin.objects.filter(message__chat=OuterRef("pk"), state=Pin.State.PINNED)),
    )
    if unread:
        found = found.filter(unread__gt=0)
    chats: list[Any] = list(found.order_by("-last_message_at", "-pk")[: limit + 1])
    more = chats[limit - 1] if len(chats) > limit else None
    said = Message.objects.only("kind", "text", "from_me", "deleted_at", "sender", "sender_name", "status")
    messages = said.in_bulk([chat.last_pk for chat in chats[:limit] if chat.last_pk])
    listed = [ListedChat(chat, messages.get(chat.last_pk)) for chat in chats[:limit]]
    return listed, Place(more.last_message_at, more.pk) if more is not None else None


def named(text: str) -> Q:
    """Chats in whose name the text stands somewhere, or in whose number, if it is one."""
    return holds("name", text) | numbered("jid", text)


def last_message() -> Subquery:
    """The key of a chat's last message."""
    said = Message.objects.filter(chat=OuterRef("pk")).exclude(kind__in=Message.ACTIONS)
    return Subquery(said.order_by("-sent_at", "-pk").values("pk")[:1])
