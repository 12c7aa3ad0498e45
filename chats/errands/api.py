"""The REST endpoints of many pins together. They parse and answer; the rules are in `chats.errands.batch`."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from chats import pins
from chats.api.paging import ending, place
from chats.errands import batch as rules
from chats.errands import described
from chats.errands.batch import BatchNotFound, BatchOver, By, InvalidBatch
from chats.errors import InvalidDuration
from chats.models import Batch, BatchItem
from chats.selectors import rest
from portal.rest.body import read_fields
from portal.rest.errors import ApiError, InvalidBody
from portal.rest.query import COUNT, MOST, Parameters, uid_in
from portal.rest.views import PINNING, READING, InstanceView
from portal.views import typed


class PinMany(InstanceView):
    """POST /api/chat/pinMany/:instance: pin, renew or unpin many messages, one after the other."""

    scopes = PINNING
    repeatable = True
    statuses = {InvalidDuration: 500}

    @described.PIN_MANY
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when all of it is written down; the same wish again, until it is over, is the same batch."""
        fields = read_fields(request._request)
        action, duration = fields.text("action").strip(), fields.text("duration")
        # One that stands there twice counts once.
        message_ids = list(dict.fromkeys(one for one in fields.texts("messageIds") or [] if one.strip()))
        chat_jid = fields.text("chatJid").strip() or None
        if action not in Batch.Action.values:
            raise InvalidBody(f"action must be one of {', '.join(Batch.Action.values)}")
        if not message_ids:
            raise ApiError(400, "messageIds is required")
        if len(message_ids) > rules.MOST:
            raise InvalidBody(f"messageIds may hold {rules.MOST} messages at most")
        seconds = None if action == Batch.Action.UNPIN else pins.parse_duration(duration)
        wanted = rules.find_all(self.instance, message_ids, chat_jid)
        try:
            batch = rules.make(self.instance, Batch.Action(action), seconds, wanted, By(token=self.token))
        except InvalidBatch as error:
            raise InvalidBody(str(error), for_now=error.for_now) from None
        return _answer("Batch started successfully", batch)


class StopBatch(InstanceView):
    """POST /api/chat/stopBatch/:instance: nothing more of it is sent until it is resumed."""

    scopes = PINNING
    repeatable = True
    statuses = {BatchNotFound: 404, BatchOver: 409}

    @described.STOP
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when it is stopped, or was before."""
        batch = self.named(read_fields(request._request).text("batchId").strip())
        rules.stop(batch, By(token=self.token))
        return _answer("Batch stopped successfully", batch)

    def named(self, uid: str) -> Batch:
        """The batch with this id. Raises BatchNotFound."""
        if not uid:
            raise ApiError(400, "batchId is required")
        return _find(self, uid)


class ResumeBatch(StopBatch):
    """POST /api/chat/resumeBatch/:instance: it goes on where it stopped, in the name of this token."""

    @described.RESUME
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when it goes on, or did before."""
        batch = self.named(read_fields(request._request).text("batchId").strip())
        rules.resume(batch, By(token=self.token))
        return _answer("Batch resumed successfully", batch)


class Batches(InstanceView):
    """GET /api/chat/batches/:instance: the batches, and how far each is."""

    scopes = READING

    @described.BATCHES
    def get(self, request: Request, name: str) -> Response:
        """Answer with a page of batches, the newest first."""
        parameters = Parameters(request)
        state = parameters.choice("state", ("all", *Batch.State.values))
        limit = parameters.number("limit", COUNT, MOST)
        part = rest.batches_of(self.instance, state=state, count=limit, before=place(parameters))
        counts = rules.counts([batch.pk for batch in part.rows])
        return Response({"success": True, "batches": [shown(one, counts[one.pk]) for one in part.rows], **ending(part)})


class BatchItems(InstanceView):
    """GET /api/chat/batch/:instance: one batch, with what came of each message."""

    scopes = READING
    statuses = {BatchNotFound: 404}

    @described.BATCH
    def get(self, request: Request, name: str) -> Response:
        """Answer with the batch and a page of its messages, in their order."""
        parameters = Parameters(request)
        uid, state = parameters.text("id"), parameters.choice("state", ("all", *BatchItem.State.values))
        limit = parameters.number("limit", COUNT, MOST)
        if not uid:
            raise ApiError(400, "id is required")
        after = parameters.cursor(typed.key)
        batch = _find(self, uid)
        items, more = rest.items_of(batch, state=state, count=limit, after=after or 0)
        page = {"count": len(items), "hasMore": more is not None, "next": str(more) if more is not None else None}
        whole = shown(batch, rules.counts([batch.pk])[batch.pk])
        return Response({"success": True, "batch": whole, "items": [shown_item(one) for one in items], **page})


def _find(view: InstanceView, uid: str) -> Batch:
    return rules.find(view.instance, uid_in(uid, BatchNotFound))


def _answer(words: str, batch: Batch) -> Response:
    batch.refresh_from_db()
    counts = rules.counts([batch.pk])[batch.pk]
    return Response({"success": True, "message": words, "batch": shown(batch, counts)})


def shown(batch: Batch, counts: dict[str, int]) -> dict[str, Any]:
    """A batch as the API shows it."""
    return {
        "id": str(batch.uid),
        "state": batch.state,
        "why": batch.why or None,
        "action": batch.action,
        "duration": pins.WORDS.get(batch.duration or 0),
        "by": batch.actor,
        "createdAt": batch.created_at,
        "endedAt": batch.ended_at,
        "counts": counts,
    }


def shown_item(item: BatchItem) -> dict[str, Any]:
    """One message of a batch as the API shows it."""
    return {
        "messageId": item.called,
        "chatJid": item.chat_jid or None,
        "state": item.state,
        "detail": item.detail or None,
        "at": item.at,
    }
