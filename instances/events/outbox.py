"""Writing events down, in the transaction of what they tell of: what is not committed was not told."""

from collections.abc import Iterable

from django.db import transaction

from instances.events.kinds import Event
from instances.events.models import OutgoingEvent
from instances.models import Instance
from portal.broker import broker

# The workers look for events to hand out when they hear this, and now and then by themselves.
WAKE = "webhooks.wake"


def wants(instance: Instance, kind: str) -> bool:
    """Whether some webhook wants this kind, as the instance's row in hand says."""
    return kind in instance.wanted_events.split()


def put(events: Iterable[Event]) -> None:
    """Write those that somebody wants, in one statement; none when nobody does. Call it inside a transaction."""
    rows = [
        OutgoingEvent(
            instance=event.instance,
            uid=event.uid,
            kind=event.kind,
            about=event.about[:64],
            at=event.at,
            body=event.body,
        )
        for event in events
        if wants(event.instance, event.kind)
    ]
    if rows:
        OutgoingEvent.objects.bulk_create(rows)
        transaction.on_commit(wake)


def wake() -> None:
    """Tell the workers that there is something; nothing is lost if none hears it."""
    broker().publish(WAKE, {})
