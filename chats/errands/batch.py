"""Many messages pinned, renewed or unpinned together: the rules, for REST and pages alike.

A batch is written down whole before anything is sent, a row a message, and the
worker carries it out at a gentle pace (`chats.errands.runner`). What cannot be
found is a row too: each message has its own outcome.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from chats import news, pins
from chats.errors import MessageAmbiguous, MessageNotFound, RequestError
from chats.events import of_batch
from chats.models import Batch, BatchItem, Message
from instances import access, tokens
from instances.models import Account, Instance, Token
from portal import audit

State = Batch.State
Action = Batch.Action

MOST = 1_000
# Of one instance, under way or stopped.
MOST_OPEN = 20


class InvalidBatch(RequestError):
    """A selection that cannot be; the text says why."""


class BatchNotFound(RequestError):
    """No batch of this instance has the id."""

    def __init__(self) -> None:
        super().__init__("Batch not found")


class BatchOver(RequestError):
    """There is nothing left to stop or to resume."""

    def __init__(self) -> None:
        super().__init__("Batch is over already: there is nothing left to stop or to resume")


@dataclass(frozen=True, slots=True)
class By:
    """Who asks: the holder of a token, or a person at a page."""

    token: Token | None = None
    # A user of ours: `request.user` has no narrower type.
    user: Any = None

    @property
    def words(self) -> str:
        """What they are called in histories."""
        return tokens.holder(self.token) if self.token is not None else audit.name_of(self.user)

    def record(self, action: str, target: str, account: Account, detail: str) -> None:
        """Write a line of the audit for what they did."""
        if self.token is not None:
            audit.record_token(self.token, action, target, detail=detail)
        else:
            audit.record(self.user, action, target, account=account, detail=detail)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One message of a selection; without `message` it could not be found, and `trouble` says why."""

    called: str
    message: Message | None = None
    trouble: str = ""


def find_all(instance: Instance, message_ids: Iterable[str], chat_jid: str | None = None) -> list[Wanted]:
    """The stored messages with these ids, in their order; as `pins.find_message` finds one."""
    names = list(dict.fromkeys(message_ids))
    rows: dict[str, list[Message]] = defaultdict(list)
    found = Message.objects.filter(instance=instance, message_id__in=names).exclude(kind__in=Message.ACTIONS)
    if chat_jid:
        found = found.filter(Q(chat__jid=chat_jid) | Q(chat__lid=chat_jid))
    for message in found.select_related("chat").defer("data"):
        rows[message.message_id].append(message)
    return [_wanted(name, rows[name]) for name in names]


def _wanted(name: str, rows: list[Message]) -> Wanted:
    try:
        return Wanted(name, pins.the_one(name, rows))
    except (MessageNotFound, MessageAmbiguous) as error:
        return Wanted(name, trouble=str(error))


def make(instance: Instance, action: Batch.Action, duration: int | None, wanted: Sequence[Wanted], by: By) -> Batch:
    """Write a batch down; the same again, while it is not over, is the one that is there. Raises InvalidBatch."""
    if not 1 <= len(wanted) <= MOST:
        raise InvalidBatch(f"a selection has 1 to {MOST} messages")
    said = [action, str(duration), *(f"{one.message.pk if one.message else ''}:{one.called}" for one in wanted)]
    now = timezone.now()
    digest = hashlib.sha256("\n".join(said).encode()).hexdigest()
    with transaction.atomic():
        # Of two who wish the same at once, the second finds what the first has written.
        list(Instance.objects.select_for_update().filter(pk=instance.pk).values_list("pk"))
        still = Batch.objects.filter(instance=instance).exclude(state=State.DONE)
        if (same := still.filter(digest=digest).first()) is not None:
            return same
        if still.count() >= MOST_OPEN:
            words = f"an instance may have {MOST_OPEN} selections that are not over: resume or wait first"
            raise InvalidBatch(words, for_now=True)
        batch = Batch.objects.create(
            instance=instance,
            action=action,
            duration=None if action == Action.UNPIN else duration,
            digest=digest,
            created_at=now,
            try_at=now,
            actor=by.words[:200],
            by_token=by.token is not None,
            token=by.token,
            user=by.user,
        )
        BatchItem.objects.bulk_create([_item(batch, one) for one in wanted], batch_size=500)
        _note(batch, "started", by)
    return batch


def _item(batch: Batch, one: Wanted) -> BatchItem:
    if one.message is None:
        ended = {"state": BatchItem.State.FAILED, "detail": one.trouble[:300], "at": batch.created_at}
        return BatchItem(batch=batch, called=one.called[:128], **ended)
    return BatchItem(batch=batch, called=one.called, message=one.message, chat_jid=one.message.chat.jid)


def stop(batch: Batch, by: By) -> None:
    """Send nothing more of it, until it is resumed; what is on the wire comes through. Again: nothing happens."""
    _move(batch, State.RUNNING, State.STOPPED, "stopped", by)
    _not_over(batch)


def resume(batch: Batch, by: By) -> None:
    """Go on where it stopped, from now on in the name of who resumes it. Again: nothing happens. Raises BatchOver."""
    asker = {"actor": by.words[:200], "by_token": by.token is not None, "token": by.token, "user": by.user}
    fresh = {"why": "", "try_at": timezone.now(), "waiting_since": None, "trouble": 0}
    _move(batch, State.STOPPED, State.RUNNING, "resumed", by, **asker, **fresh)
    _not_over(batch)


def stop_itself(batch: Batch, why: str) -> None:
    """Stop because it cannot go on; somebody may resume it."""
    _move(batch, State.RUNNING, State.STOPPED, "stopped", why=why)


def finish(batch: Batch) -> None:
    """Note that nothing of it is left to do."""
    _move(batch, State.RUNNING, State.DONE, "finished", ended_at=timezone.now())


def _not_over(batch: Batch) -> None:
    batch.refresh_from_db()
    if batch.state == State.DONE:
        raise BatchOver


@transaction.atomic
def _move(
    batch: Batch, before: Batch.State, after: Batch.State, change: str, by: By | None = None, **fields: Any
) -> None:
    """Change its state and tell of it, or neither."""
    if Batch.objects.filter(pk=batch.pk, state=before).update(state=after, **fields):
        batch.refresh_from_db()
        _note(batch, change, by)


def _note(batch: Batch, change: str, by: By | None = None) -> None:
    """Write the event and the audit's line, and tell the pages, in the transaction of what they tell of."""
    numbers = counts([batch.pk])[batch.pk]
    news.batch_changed(batch, of_batch(batch, change, numbers))
    action, target = f"selection {change}", f"{batch.instance.name}: {batch.action} {numbers['total']}"
    detail = batch.why or ", ".join(f"{count} {name}" for name, count in numbers.items() if count and name != "total")
    account = batch.instance.account
    if by is not None:
        by.record(action, target, account, detail)
    else:
        audit.record_work(batch.actor, action, target, account=account, detail=detail)


def find(instance: Instance, uid: UUID) -> Batch:
    """A batch of this instance. Raises BatchNotFound."""
    batch = Batch.objects.select_related("instance__account").filter(instance=instance, uid=uid).first()
    if batch is None:
        raise BatchNotFound
    return batch


def counts(batches: Sequence[int]) -> dict[int, dict[str, int]]:
    """By batch: how many messages it has, and how many are in each state."""
    found = {key: {"total": 0, **dict.fromkeys(BatchItem.State.values, 0)} for key in batches}
    rows = BatchItem.objects.filter(batch__in=batches).values_list("batch", "state").annotate(count=Count("pk"))
    for key, state, count in rows:
        found[key][state] = count
        found[key]["total"] += count
    return found


def may_go_on(batch: Batch) -> bool:
    """Whether who asked may still pin there: a token that was revoked, or a person who left, asks for nothing more."""
    if not batch.by_token:
        if batch.user is None:
            return False
        instance = access.visible_to(batch.user).filter(pk=batch.instance_id).first()
        return instance is not None and access.may_pin(instance)
    token = batch.token
    # A token that was rotated has a successor that stands for it.
    while token is not None and not token.usable:
        token = token.successor
    return token is not None and token.scope in (Token.Scope.FULL, Token.Scope.PIN)
