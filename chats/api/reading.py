"""The REST endpoints that read: history, search, chats, pins. What they read is in `chats.selectors.rest`."""

from datetime import UTC, datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from chats import pins, search
from chats.api.described import reading as described
from chats.api.paging import ending, place
from chats.errors import MessageAmbiguous, MessageNotFound
from chats.models import Chat, Pin
from chats.numbers import InvalidNumber, find_chat, jid_of
from chats.search import Cursor
from chats.search.query import TYPES
from chats.selectors import figures, rest
from chats.selectors.places import Place
from chats.shown import shown_message
from portal.rest.body import read_fields
from portal.rest.errors import ApiError, InvalidBody
from portal.rest.query import COUNT, MOST, NO_CURSOR, InvalidParameter, Parameters
from portal.rest.views import READING, InstanceView


class History(InstanceView):
    """POST /api/chat/history/:instance: the stored messages of a chat, newest first."""

    scopes = READING
    keeps = False

    @described.HISTORY
    def post(self, request: Request, name: str) -> Response:
        """Answer with the messages; a chat that nothing is stored of has none."""
        fields = read_fields(request._request)
        number = fields.text("number")
        count = fields.number("count", COUNT, MOST)
        since, until = fields.text("from").strip(), fields.text("to").strip()
        cursor = fields.text("cursor").strip()
        kind, sender = fields.text("type").strip(), fields.text("sender").strip()
        from_me, pinned = fields.flag_or_none("fromMe"), fields.flag_or_none("pinned")
        if not number.strip():
            raise ApiError(400, "Number is required")
        if kind and kind not in TYPES:
            raise InvalidBody(f"type must be one of {', '.join(sorted(TYPES))}")
        try:
            jid = jid_of(number)
            only = rest.Only(kind, _person(sender) if sender else "", from_me, pinned)
        except InvalidNumber as error:
            raise InvalidBody(str(error)) from None
        window = _moment("from", since), _moment("to", until)
        before = Place.parse(cursor)
        if cursor and before is None:
            raise InvalidBody(NO_CURSOR)
        chat = find_chat(self.instance, jid)
        part = rest.Part([], None)
        if chat is not None:
            part = rest.messages_of(chat, count=count, since=window[0], until=window[1], only=only, before=before)
        return Response(
            {
                "success": True,
                "messages": [shown_message(message) for message in part.rows],
                "count": len(part.rows),
                "hasMore": part.next is not None,
                "chat_jid": chat.jid if chat is not None else jid,
                "next": str(part.next) if part.next is not None else None,
            }
        )


class Search(InstanceView):
    """GET /api/chat/search/:instance: messages by their text and properties, newest first."""

    scopes = READING

    @described.SEARCH
    def get(self, request: Request, name: str) -> Response:
        """Answer with a page of hits; `q` as on the search page."""
        parameters = Parameters(request)
        text = parameters.text("q")
        limit = parameters.number("limit", COUNT, MOST)
        if not text:
            raise InvalidParameter("q is required: what to search for")
        before = parameters.cursor(Cursor.parse)
        page = search.search([self.instance.pk], search.parse(text), before, limit)
        return Response(
            {
                "success": True,
                "messages": [
                    {
                        **shown_message(hit.message),
                        "snippet": [{"text": piece, "match": match} for piece, match in hit.snippet],
                    }
                    for hit in page.hits
                ],
                "count": len(page.hits),
                "hasMore": page.next is not None,
                "next": str(page.next) if page.next is not None else None,
                "suggestion": page.suggestion or None,
            }
        )


class Chats(InstanceView):
    """GET /api/chat/list/:instance: the chats, the one written in last first."""

    scopes = READING

    @described.CHATS
    def get(self, request: Request, name: str) -> Response:
        """Answer with a page of chats; `q` looks in names and numbers."""
        parameters = Parameters(request)
        text = parameters.text("q")
        limit = parameters.number("limit", COUNT, MOST)
        part = rest.chats_of(self.instance, count=limit, text=text, before=place(parameters))
        return Response({"success": True, "chats": [shown_chat(chat) for chat in part.rows], **ending(part)})


class Pins(InstanceView):
    """GET /api/chat/pins/:instance: what is pinned, by whom and until when."""

    scopes = READING

    @described.PINS
    def get(self, request: Request, name: str) -> Response:
        """Answer with a page of pins, of one chat with `number`, in another state with `state`."""
        parameters = Parameters(request)
        number = parameters.text("number")
        state = parameters.choice(
            "state", (Pin.State.PINNED.value, *(s for s in Pin.State.values if s != "pinned"), "all")
        )
        limit = parameters.number("limit", COUNT, MOST)
        before = place(parameters)
        try:
            jid = jid_of(number) if number else ""
        except InvalidNumber as error:
            raise InvalidParameter(str(error)) from None
        part = rest.pins_of(self.instance, state=state, jid=jid, count=limit, before=before)
        return Response({"success": True, "pins": [shown_pin(pin) for pin in part.rows], **ending(part)})


class PinHistory(InstanceView):
    """GET /api/chat/pinHistory/:instance: all that ever happened to one message's pin."""

    scopes = READING
    statuses = {MessageNotFound: 404, MessageAmbiguous: 409}

    @described.PIN_HISTORY
    def get(self, request: Request, name: str) -> Response:
        """Answer with a page of its time line, the newest first; a message that was never pinned has none."""
        parameters = Parameters(request)
        message_id, chat_jid = parameters.text("messageId"), parameters.text("chatJid") or None
        limit, before = parameters.number("limit", COUNT, MOST), place(parameters)
        if not message_id:
            raise ApiError(400, "messageId is required")
        message = pins.find_message(self.instance, message_id, chat_jid)
        part = rest.lines_of(message, count=limit, before=before)
        return Response({"success": True, "lines": [shown_line(line) for line in part.rows], **ending(part)})


class PinFigures(InstanceView):
    """GET /api/chat/pinFigures/:instance: how many pins were made, and what came of them."""

    scopes = READING

    @described.FIGURES
    def get(self, request: Request, name: str) -> Response:
        """Answer with the counts of the last `days`, days in UTC."""
        days = Parameters(request).number("days", 30, 366)
        found = figures.of(figures.of_instance(self.instance), days)

        def shown(row: figures.Row) -> dict[str, int]:
            return {outcome: row.counts[outcome] for outcome in figures.OUTCOMES}

        return Response(
            {
                "success": True,
                "counts": {outcome: found.counts[outcome] for outcome in figures.OUTCOMES},
                "days": [{"day": row.label, **shown(row)} for row in found.days],
                "people": [{"name": row.label, **shown(row)} for row in found.people],
                "chats": [{"name": row.label, **shown(row)} for row in found.chats],
            }
        )


def shown_chat(chat: Any) -> dict[str, Any]:
    """A chat found by `rest.chats_of`, as the API shows it."""
    return {
        "jid": chat.jid,
        "lid": chat.lid,
        "name": chat.name,
        "type": chat.kind,
        # In such a group phones show pins of admins alone.
        "adminsOnly": chat.locked if chat.kind == Chat.Kind.GROUP else False,
        "lastMessageAt": chat.last_message_at,
        "lastMessage": shown_message(chat.last) if chat.last is not None else None,
    }


def shown_pin(pin: Any) -> dict[str, Any]:
    """A pin found by `rest.pins_of`, as the API shows it."""
    return {
        "state": pin.state,
        "pinnedAt": pin.pinned_at,
        "expiresAt": pin.expires_at,
        "duration": pin.duration,
        # A JID, or in words who asked for it here.
        "by": pin.actor,
        "byName": pin.actor_name or None,
        "changedAt": pin.changed_at,
        "message": shown_message(pin.message),
    }


def shown_line(line: Any) -> dict[str, Any]:
    """A line of a pin's history found by `rest.lines_of`, in the words of the event that told of it."""
    return {
        "change": line.kind,
        "pinning": line.pinning,
        "duration": line.duration,
        "by": line.actor,
        "byName": line.actor_name or None,
        "detail": line.detail or None,
        "at": line.at,
    }


def _person(sender: str) -> str:
    try:
        return jid_of(sender)
    except InvalidNumber as error:
        # The sentence begins with the name of the other field that takes one.
        raise InvalidBody(str(error).replace("number", "sender", 1)) from None


def _moment(name: str, text: str) -> datetime | None:
    """A point in time, UTC where no zone is named; None for no text."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        words = f"invalid '{name}' date format. Use ISO 8601 format (e.g., '2026-02-16T18:32:39Z')"
        raise ApiError(400, words) from None
