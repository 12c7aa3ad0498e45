"""Recording an instance's state, and telling of it."""

import logging
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from instances.events import outbox
from instances.events.kinds import STATE, Event
from instances.models import Instance
from instances.states import HELD, State, sentence
from instances.whatsapp import commands
from portal.broker import broker

log = logging.getLogger(__name__)


@transaction.atomic
def save_state(instance: Instance) -> Event | None:
    """Write the state that `instance` holds, with the event that tells of it; None when another owns it by now."""
    mine = Instance.objects.filter(pk=instance.pk, epoch=instance.epoch)
    saved = mine.update(state=instance.state, state_detail=instance.state_detail, state_at=instance.state_at)
    if not saved:
        log.warning("instance %s is no longer ours", instance.uid)
        return None
    # The connector holds its instances for weeks: what is wanted may be news to it.
    instance.wanted_events = mine.values_list("wanted_events", flat=True).first() or ""
    event = Event(
        instance,
        STATE,
        f"{instance.epoch}:{instance.state_at.isoformat()}",
        {
            "state": instance.state,
            "sentence": sentence(instance.state, instance.state_detail),
            "detail": instance.state_detail,
            "numberJid": instance.jid or None,
            "at": instance.state_at,
        },
        at=instance.state_at,
    )
    outbox.put([event])
    return event


def save_unplaced(unplaced: Iterable[tuple[Instance, str]]) -> list[tuple[Instance, Event | None]]:
    """Say of instances that no connector can hold that it is so, and why, where their state says otherwise."""
    told = []
    for instance, why in unplaced:
        if instance.state in HELD:
            instance.state, instance.state_detail = State.UNPLACED, why
            instance.state_at = timezone.now()
            told.append((instance, save_state(instance)))
    return told


def tell(told: Iterable[tuple[Instance, Event | None]]) -> None:
    """Tell live pages of what `save_unplaced` has saved; lost when NATS is away."""
    for instance, event in told:
        broker().publish(commands.news_subject(instance.uid, "state"), news_of(instance, event))


def news_of(instance: Instance, event: Event | None) -> dict[str, Any]:
    """What live pages hear of a new state."""
    return {"state": instance.state, "sentence": instance.sentence, "events": [event.body] if event else []}
