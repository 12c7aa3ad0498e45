"""What later versions had as well, and what is still to be done when this one takes over: none of it may get lost."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PIECE = b"a piece of history that waits"
SALT, EVENT, BODY = "s" * 43, uuid.UUID(int=7), '{"event":"message.pin"}'
FOR_EVER = timedelta(days=100_000)


def fill(models: Any) -> None:
    """What waits or is on: a plan, a batch, a rule, an event, a piece of history; by that version's models."""
    instance = models.get_model("instances", "Instance").objects.get()
    token = models.get_model("instances", "Token").objects.get()
    first, second, third = models.get_model("chats", "Message").objects.order_by("sent_at")
    by = {"actor": "crm", "token": token}
    models.get_model("chats", "Schedule").objects.create(
        message=second, starts_at=AT, stay=True, step="pin", due_at=AT, try_at=AT, **by
    )
    models.get_model("chats", "Rule").objects.create(
        instance=instance, name="codes", trigger="message", words="gate code", active=True, since=AT, **by
    )
    batch = models.get_model("chats", "Batch").objects.create(
        instance=instance, action="pin", duration=86_400, digest="d", by_token=True, try_at=AT, **by
    )
    for message, state in ((first, "done"), (third, "waiting")):
        models.get_model("chats", "BatchItem").objects.create(
            batch=batch, message=message, called=message.message_id, state=state
        )
    webhook = models.get_model("instances", "Webhook").objects.create(
        instance=instance, url="https://crm.example/hook", events=["message.pin"], salt=SALT
    )
    event = models.get_model("instances", "OutgoingEvent").objects.create(
        instance=instance, uid=EVENT, kind="message.pin", about="chat", at=AT, body=BODY, handed_out=True
    )
    models.get_model("instances", "Delivery").objects.create(
        webhook=webhook, event=event, due_at=AT, give_up_at=AT + FOR_EVER, tries=3
    )
    models.get_model("instances", "HistoryPiece").objects.create(instance=instance, payload=PIECE)


def look(token: Any) -> None:
    """Each is what the worker takes up next. `token`: whose plans they are."""
    from django.utils import timezone

    from chats.errands import runner as batches
    from chats.models import BatchItem, Message, Rule, Schedule
    from chats.rules.match import Pattern
    from chats.schedule import runner as schedules
    from instances.events import book, signing
    from instances.models import HistoryPiece, Instance

    now, instance = timezone.now(), Instance.objects.get()
    plan = Schedule.objects.get()
    assert (plan.message.message_id, plan.step, plan.due_at, plan.stay, plan.token) == ("3EB1", "pin", AT, True, token)
    assert schedules.due_instances(now) == [instance.pk]
    rule = Rule.objects.get(active=True)
    fitting = [message.message_id for message in Message.objects.all() if Pattern.of(rule).fits(message)]
    assert (fitting, rule.since, rule.token) == (["3EB0"], AT, token)
    items = BatchItem.objects.filter(batch__state="running", batch__token=token).order_by("pk")
    assert list(items.values_list("called", "message__message_id", "state")) == [
        ("3EB0", "3EB0", "done"), ("3EB2", "3EB2", "waiting"),
    ]  # fmt: skip
    assert batches.due_instances(now) == [instance.pk]
    (webhook,) = book.due_webhooks()
    (delivery,) = book.due(webhook, 10)
    assert (delivery.event.uid, delivery.event.body, delivery.tries) == (EVENT, BODY, 3)
    piece = HistoryPiece.objects.get()
    assert (bytes(piece.payload), piece.own_jid, piece.damaged) == (PIECE, "", False)
    assert (delivery.webhook.salt, signing.secret(delivery.webhook)[:6]) == (SALT, "whsec_")
