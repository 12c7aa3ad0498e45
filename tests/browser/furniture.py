"""What the demonstration does not have by itself, and pictures show: webhooks with a log, a photo, ticks."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.demo import files, people
from tests.demo.stage import Stage

# (state, event, minutes ago, attempts as (status, milliseconds, error, answer))
LOG: list[tuple[str, str, int, list[tuple[int | None, int, str, str]]]] = [
    ("dead", "message.exchange", 2_900, [(502, 1_204, "", "Bad Gateway"), (None, 10_000, "No answer in time.", "")]),
    ("dead", "message.pin", 1_480, [(500, 84, "", '{"error": "column pin_until does not exist"}')]),
    ("delivered", "message.status", 35, [(200, 41, "", "ok")]),
    ("delivered", "message.exchange", 12, [(503, 63, "", "Service Unavailable"), (200, 38, "", "ok")]),
]  # fmt: skip


def furnish(stage: Stage) -> None:
    """Add it to a running stage. Nothing is sent anywhere: what the log tells of is in the past."""
    from chats.models import Message
    from instances.models import Instance

    shop = Instance.objects.get(name="shop")
    _webhooks(shop)
    _unlinked(Instance.objects.get(name="new phone"))
    _plan(shop)
    _rule(shop)
    _past_pins(shop)
    _batch(shop)
    wall = files.room("#b9c9c4")
    owner = f"{people.OWNER[1]}@s.whatsapp.net"
    stage.actors[0].send_file(
        owner, "image", wall.content, mimetype=wall.mimetype, width=960, height=720, caption="The wall it will stand at"
    )
    statuses = Message.Status
    for text, status in (
        ("Lovely choice", statuses.READ),
        ("The total is", statuses.READ),
        ("A hard wax oil", statuses.SENT),
    ):
        Message.objects.filter(instance=shop, from_me=True, text__startswith=text).update(status=status)


def _webhooks(instance: Any) -> None:
    from uuid import uuid4

    from instances.events.models import Attempt, Delivery, OutgoingEvent, Webhook

    crm = Webhook.objects.create(
        instance=instance, url="https://crm.example.com/hooks/whatsapp", events=["instance.state"], salt="crm"
    )
    Webhook.objects.create(
        instance=instance,
        url="https://n8n.example.com/wa/7f3",
        events=["message.pin"],
        salt="n8n",
        active=False,
    )
    for state, kind, minutes, attempts in LOG:
        at = timezone.now() - timedelta(minutes=minutes)
        event = OutgoingEvent.objects.create(
            instance=instance, uid=uuid4(), kind=kind, at=at, body="{}", handed_out=True
        )
        delivery = Delivery.objects.create(
            webhook=crm, event=event, state=state, give_up_at=at, tries=len(attempts), settled_at=at
        )
        for number, (status, milliseconds, error, answer) in enumerate(attempts):
            Attempt.objects.create(
                delivery=delivery, at=at + timedelta(minutes=number), status=status,
                milliseconds=milliseconds, error=error, answer=answer,
            )  # fmt: skip


def _unlinked(instance: Any) -> None:
    """A message of before, in an instance that no phone is linked to: pinning it must fail."""
    from chats.intake import take_in
    from tests.demo.past import Past, Who

    put: files.Put = lambda file: {}  # noqa: E731  # no file is needed
    past = Past(Who("Casa Lume", "", ""), timezone.now(), put, seed=11)
    paula = Who("Paula Brandão", "5511940000190@s.whatsapp.net", "")
    when = timezone.now() - timedelta(days=3)
    take_in(instance, [past.said(paula.jid, paula, when, "Do you still make the juniper chest?")])


def _batch(instance: Any) -> None:
    """Pins made together, most of them: nothing is sent for it, it is over."""
    from chats.models import Batch, BatchItem, Message

    ended = timezone.now() - timedelta(hours=3)
    done = Batch.objects.create(
        instance=instance, action="pin", duration=7 * 86_400, digest="shown", actor="Olivia Reis",
        state=Batch.State.DONE, created_at=ended, ended_at=ended,
    )  # fmt: skip
    outcomes = [
        ("done", ""),
        ("done", ""),
        ("failed", "WhatsApp client is not connected"),
        ("skipped", ""),
        ("done", ""),
    ]
    messages = Message.objects.filter(instance=instance, text__startswith="The gate code").order_by("-sent_at")
    for message, (state, detail) in zip(messages, outcomes, strict=False):
        BatchItem.objects.create(
            batch=done, message=message, called=message.message_id, state=state, detail=detail, at=ended
        )


def _plan(instance: Any) -> None:
    from chats.models import Message, Schedule

    message = Message.objects.get(instance=instance, text__startswith="Thank you! I pin it")
    due = timezone.now() + timedelta(days=1, hours=2)
    Schedule.objects.create(
        message=message, actor="Olivia Reis", starts_at=due, due_at=due, try_at=due,
        zone="America/Sao_Paulo", duration=7 * 86_400, step=Schedule.Step.PIN,
    )  # fmt: skip


def _rule(instance: Any) -> None:
    from django.contrib.auth import get_user_model

    from chats.errands.batch import By
    from chats.rules import manage

    by = By(user=get_user_model().objects.get(username="olivia"))
    for wanted, on in (
        (manage.Wanted(name="Gate codes", trigger="message", words="gate code", duration=7 * 86_400), False),
        (manage.Wanted(name="Important", trigger="hashtag", words="#important", duration=30 * 86_400), True),
        (manage.Wanted(name="The team's pins", trigger="reaction", words="📌", people=("me",), duration=86_400), True),
    ):
        manage.switch(manage.add(instance, wanted, by), on, by)


def _past_pins(instance: Any) -> None:
    from chats.models import Message, Pin, PinEvent

    kinds = PinEvent.Kind
    messages = Message.objects.filter(instance=instance, kind="text", pin=None).order_by("-pk")[:40]
    ages = [timedelta(days=number * 7 % 29, hours=number) for number in range(len(messages))]
    # As they would have come: the oldest first.
    for number, message in sorted(enumerate(messages), key=lambda each: ages[each[0]], reverse=True):
        pin = Pin.objects.create(message=message, state=Pin.State.EXPIRED)
        at = timezone.now() - ages[number]
        kind = kinds.REFUSED if number % 11 == 5 else kinds.SEEN if number % 4 == 1 else kinds.ACKNOWLEDGED
        actor = ("Olivia Reis", "Admin", "token 'CRM'", "rule 'Important'")[number % 7 % 4]
        why = "forbidden (403)" if kind == kinds.REFUSED else ""
        PinEvent.objects.create(pin=pin, kind=kind, actor=actor, at=at, pinning=True, detail=why)
