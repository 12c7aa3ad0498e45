"""Messages written in bulk are as Django would have written them, and the index is told what the table holds."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from chats import search
from chats.intake import take_in
from chats.models import Chat, Message
from chats.storing import new_message, store
from instances.models import Instance
from instances.whatsapp.events import Party
from tests.test_intake import GROUP, START, action, arrived, make_instance


@pytest.fixture
def instance(db: None) -> Instance:
    return make_instance()


def message(instance: Instance, **more: Any) -> Message:
    chat, _ = Chat.objects.get_or_create(instance=instance, jid=GROUP, defaults={"kind": "group"})
    values: dict[str, Any] = {
        "message_id": "3EB01", "sender": "a@lid", "from_me": True, "sent_at": START + timedelta(microseconds=7),
        "kind": "text", "text": "tab\t, \\N, \"'%s and 東京", "wire_chat": GROUP, "wire_sender": "a@lid",
        "data": {"name": 'a "b" \\ é', "none": None}, "edited_at": START,
    }  # fmt: skip
    return Message(instance=instance, chat=chat, **{**values, **more})


def test_a_new_message_is_what_django_makes_of_it(instance: Instance) -> None:
    djangos = message(instance, message_id="3EB01")
    given = ("message_id", "sender", "from_me", "sent_at", "kind", "text", "wire_chat", "wire_sender", "data")
    ours = new_message(instance, djangos.chat, edited_at=START, **{name: getattr(djangos, name) for name in given})
    assert ours.stored_at >= djangos.stored_at
    fields = [field.attname for field in Message._meta.concrete_fields if field.attname != "stored_at"]
    assert {name: ours.__dict__[name] for name in fields} == {name: djangos.__dict__[name] for name in fields}
    assert (ours.chat, ours.instance) == (djangos.chat, instance)
    ours.save()
    ours.refresh_from_db()
    assert ours.chat == djangos.chat


def test_it_works(instance: Instance) -> None:
    """Column by column as by bulk_create, down to how the database writes times and JSON."""
    store([message(instance, message_id="ours", data={}), message(instance, message_id="ours too")])
    Message.objects.bulk_create([message(instance, message_id="django", data={}), message(instance, message_id="too")])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM chats_message ORDER BY id")
        names = [column[0] for column in cursor.description]
        ours, ours_too, djangos, too = (dict(zip(names, row, strict=True)) for row in cursor.fetchall())
    for row in (ours, ours_too, djangos, too):
        for name in ("id", "message_id", "stored_at"):
            del row[name]
    assert (ours, ours_too) == (djangos, too)


def test_the_rows_know_their_keys(instance: Instance) -> None:
    rows = [message(instance, message_id=f"3EB0{number}") for number in range(3)]
    store(rows)
    assert list(Message.objects.order_by("pk")) == rows
    rows[0].text = "changed"
    rows[0].save()
    later = message(instance, message_id="later")
    later.save()
    assert later.pk > rows[-1].pk, "the database goes on counting where we ended"
    assert Message.objects.count() == 4


def test_all_or_none(instance: Instance) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        store([message(instance, message_id="one"), message(instance, message_id="two"), message(instance)] * 2)
    assert not Message.objects.exists()


def test_what_is_at_hand_is_not_what_is_found(instance: Instance) -> None:
    """An edit or deletion in the same batch counts, though the message is indexed as it was inserted."""
    take_in(instance, [arrived("1", "before"), action("edit", "1", 5, "afterwards"), arrived("2", "deleted")])
    take_in(instance, [arrived("3", "gone"), action("delete", "3", 5), arrived("4", "kept")])

    def found(text: str) -> list[str]:
        return [hit.message.text for hit in search.search([instance.pk], search.parse(text)).hits]

    assert (found("before"), found("afterwards"), found("gone"), found("kept")) == ([], ["afterwards"], [], ["kept"])


def test_a_batch_asks_no_more_for_many_chats_than_for_few(instance: Instance) -> None:
    """Else every chat of a large account would cost several questions a batch."""

    def batch(prefix: str, count: int) -> list[Any]:
        people = [Party(f"{number}@lid", f"55119{number:08}@s.whatsapp.net") for number in range(count)]
        at = START + timedelta(hours=len(prefix))
        return [arrived(f"{prefix}{n}", chat=party, sender=party, sent_at=at) for n, party in enumerate(people)]

    take_in(instance, batch("A", 40))
    with CaptureQueriesContext(connection) as few:
        take_in(instance, batch("AB", 2))
    with CaptureQueriesContext(connection) as many:
        take_in(instance, batch("ABC", 40))
    assert len(many) == len(few)
    assert Chat.objects.count() == 40
