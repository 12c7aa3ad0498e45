"""Setting the demonstration up in a running portal: accounts, people, links, the past."""

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from chats.intake import take_in
from chats.models import Message
from chats.pinbook import Asker
from instances.models import Account, Instance, Membership
from instances.states import State
from instances.whatsapp import service
from instances.whatsapp.errors import NotConnected
from tests.demo.files import Put
from tests.demo.past import Event, Past, Who, conversation, group_talk
from tests.demo.people import PASSWORD
from tests.loopback import Account as WhatsAppAccount

BATCH = 1000


def make_people(account: Account, instances: list[Instance]) -> None:
    """An administrator, an operator and a viewer, all with the same password."""
    users: Any = get_user_model().objects
    roles = Membership.Role
    users.filter(username="admin").update(first_name="Admin")
    admin = users.get(username="admin")
    admin.set_password(PASSWORD)
    admin.save()
    for name, full, role in (
        ("olivia", "Olivia Reis", roles.OPERATOR),
        ("victor", "Victor Blanc", roles.VIEWER),
    ):
        user = users.create_user(name, password=PASSWORD, first_name=full.split()[0], last_name=full.split()[1])
        Membership.objects.create(user=user, account=account, role=role).instances.set(instances)


def link(instance: Instance, phone: WhatsAppAccount) -> None:
    """Link the simulated phone with the QR code, as the page would show it."""
    limit = time.monotonic() + 30
    while True:
        try:
            qr = service.connect(instance).qr
            break
        except NotConnected:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)
    phone.scan(qr)
    while instance.state != State.CONNECTED:
        if time.monotonic() > limit:
            raise RuntimeError(f"not linked: {instance.sentence}")
        time.sleep(0.1)
        instance.refresh_from_db()


def write_past(
    instance: Instance,
    phone: WhatsAppAccount,
    contacts: list[Who],
    live: list[Who],
    groups: list[tuple[str, str, list[Who]]],
    total: int,
    put: Put,
) -> int:
    """Give the instance its past: `total` messages or a few more. `groups`: (JID, name, members)."""
    now = timezone.now()
    past = Past(Who(instance.push_name or phone.name, phone.jid, phone.lid), now, put)
    morning = _working_hour(now)
    events: list[Event] = []
    share = total // (len(contacts) + len(live) + 4 * len(groups) + 1)
    for number, who in enumerate(contacts):
        end = now - timedelta(hours=3 + 5 * number)
        events += past.chat(who, share, end, 240)
    for who in live:
        events += past.chat(who, share, morning - timedelta(days=1), 200)
    for number, (jid, _, members) in enumerate(groups):
        events += past.group(jid, members, share * 4, morning - timedelta(hours=2 + 20 * number), 260)
    if live:
        events += conversation(past, live[0], morning)
    if groups:
        events += group_talk(past, groups[0][0], groups[0][2], morning)
    return _store(instance, events)


def _working_hour(now: datetime) -> datetime:
    """Something like two hours ago, so that "today" is today wherever possible."""
    return now - timedelta(minutes=75)


def _store(instance: Instance, events: Iterable[Event]) -> int:
    ordered = iter(sorted(events, key=lambda event: event.sent_at if hasattr(event, "sent_at") else event.at))
    count = 0
    while batch := list(islice(ordered, BATCH)):
        count += len(take_in(instance, batch).messages)
    return count


def pin_some(instance: Instance) -> None:
    """Pins that stand when one first looks: two of the portal's, acknowledged by the loopback server."""
    from chats import pins

    asker = Asker("Olivia Reis")
    for text, duration in (("Delivery is on Friday", "7d"), ("Friday's tour", "24h")):
        message = Message.objects.select_related("chat", "instance").filter(
            instance=instance, text__contains=text, kind=Message.Kind.TEXT
        ).order_by("-sent_at").first()  # fmt: skip
        if message is not None:
            pins.pin(message, pins.DURATIONS[duration], asker)
