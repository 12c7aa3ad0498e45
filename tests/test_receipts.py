"""Receipts: read from a log that is not escaped, and carried out only ever forward."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chats import delivery
from chats.models import Message
from instances.whatsapp.adapter import receipts
from instances.whatsapp.events import Party, Receipt
from tests.base import BaseTestCase

AT = datetime(2026, 2, 16, 18, 40, tzinfo=UTC)
Status = Message.Status


def test_it_works() -> None:
    read = receipts.read('<receipt from="1002:7@lid" id="3EB01" t="1771267200" type="read"/>')
    assert read == Receipt(Party("1002@lid"), Party("1002@lid"), ("3EB01",), "read", AT)


def test_no_type_is_delivered() -> None:
    read = receipts.read('<receipt from="5511@s.whatsapp.net" id="A" t="1771267200"/>')
    assert read is not None
    assert (read.chat.jid, read.status) == ("5511@s.whatsapp.net", "delivered")


def test_several_at_once() -> None:
    read = receipts.read(
        '<receipt from="1002@lid" id="A" t="1771267200" type="read"><list><item id="B"/><item id="C"/></list></receipt>'
    )
    assert read is not None
    assert read.message_ids == ("A", "B", "C")


def test_of_a_groups_members() -> None:
    read = receipts.read(
        '<receipt from="120363@g.us" id="X" t="1771267200"><participants key="A"><user jid="1@lid" t="1"/>'
        '</participants><participants key="B"><user jid="2@lid" t="2"/></participants></receipt>'
    )
    assert read is not None
    assert (read.chat.jid, read.message_ids) == ("120363@g.us", ("X", "A", "B"))


def test_names_are_such_as_can_be_stored() -> None:
    """Was red: one that no database takes; a message is stored under what is left of it."""
    named = 'from="1\0@g.us" id="A\0" participant="2\0@lid" t="1771267200"'
    read = receipts.read(f'<receipt {named}><list><item id="{"B" * 200}"/></list></receipt>')
    assert read is not None
    assert (read.chat.jid, read.sender.jid) == ("1\ufffd@g.us", "2\ufffd@lid")
    assert read.message_ids == ("A\ufffd", "B" * 128)


@pytest.mark.parametrize(
    "line",
    [
        # What our own other devices read, and what gives no tick.
        '<receipt from="1001@lid" id="A" recipient="1002@lid" t="1771267200" type="read"/>',
        '<receipt from="1002@lid" id="A" t="1771267200" type="inactive"/>',
        '<receipt from="1002@lid" id="A" t="1771267200" type="retry"><retry count="1"/></receipt>',
        '<receipt from="1002@lid" id="A" t="1771267200" type="of tomorrow"/>',
        # Attributes that somebody wrote into a value.
        '<receipt from="1002@lid" id="A" from="1003@lid" t="1771267200" type="read"/>',
        '<receipt from="1002@lid" id="A" t="1771267200" type="read" from="1003@lid"/>',
        '<receipt from="1002@lid" id="A" t="1771267200" type="x" type="read"/>',
        # No receipts at all, or broken ones.
        '<message from="1002@lid" notify="<receipt from="1003@lid" id="A" t="1771267200"/>"/>',
        '<receipt id="A" t="1771267200"/>',
        '<receipt from="1002@lid" id="A" t="a while ago"/>',
        '<receipt from="1002@lid" id="A" t="99999999999999999999"/>',
        "<receipt",
        "",
    ],
)
def test_what_is_no_receipt(line: str) -> None:
    assert receipts.read(line) is None


@given(st.text(), st.text(), st.text())
def test_a_contact_speaks_for_no_other_chat(written_id: str, kind: str, inner: str) -> None:
    """Whatever the contact's client writes where it may write, the receipt is of their chat or of none."""
    parts = sorted(['from="1002@lid"', f'id="{written_id}"', 't="1771267200"', f'type="{kind}"'])
    read = receipts.read(f'<receipt {" ".join(parts)}><list><item id="{inner}"/></list></receipt>')
    assert read is None or read.chat.jid == "1002@lid"


@given(
    st.sampled_from(['" from="', '" recipient="', '"/><receipt from="', '">', "x"]), st.text('<>"/ =abc@', max_size=30)
)
def test_nor_with_quotation_marks(begin: str, rest: str) -> None:
    line = f'<receipt from="1002@lid" id="A{begin}1003@lid{rest}" t="1771267200" type="read"/>'
    read = receipts.read(line)
    assert read is None or read.chat.jid == "1002@lid"


class AdvanceTestCase(BaseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.message = self.sent("A")
        self.chat = self.message.chat

    def sent(self, message_id: str) -> Message:
        message = self.make_message(message_id)
        message.from_me, message.status = True, Status.SENT
        message.save()
        return message

    def told(self, status: str, *ids: str, chat: str = "") -> delivery.Told:
        arrived = Receipt(Party(chat or self.chat.jid), Party("5511"), ids or ("A",), status, AT)
        return delivery.advance(self.shop, [arrived])

    def status(self) -> int | None:
        self.message.refresh_from_db()
        return self.message.status

    def test_it_works(self) -> None:
        assert self.told("delivered").changed == {Status.DELIVERED: [self.message.pk]}
        assert self.status() == Status.DELIVERED

    def test_only_forward(self) -> None:
        self.told("read")
        assert self.told("delivered").changed == {}
        assert self.status() == Status.READ

    def test_the_furthest_of_a_batch(self) -> None:
        batch = [
            Receipt(Party(self.chat.jid), Party("5511"), ("A",), status, AT)
            for status in ("read", "played", "delivered")
        ]
        assert delivery.advance(self.shop, batch).changed == {Status.PLAYED: [self.message.pk]}

    def test_what_was_stored_before_receipts_were_heard(self) -> None:
        Message.objects.update(status=None)
        self.told("delivered")
        assert self.status() == Status.DELIVERED

    def test_by_the_chats_other_name(self) -> None:
        self.chat.lid = "1002@lid"
        self.chat.save()
        assert self.told("read", chat="1002@lid").changed

    def test_another_chat_has_no_say(self) -> None:
        told = self.told("read", chat="5599999999999@s.whatsapp.net")
        assert (told.changed, self.status()) == ({}, Status.SENT)

    def test_a_message_that_came_in_has_no_status(self) -> None:
        Message.objects.update(from_me=False, status=None)
        self.told("read")
        assert self.status() is None

    def test_another_instances_message_is_left_alone(self) -> None:
        arrived = Receipt(Party(self.chat.jid), Party("5511"), ("A",), "read", AT)
        assert delivery.advance(self.desk, [arrived]).changed == {}

    def test_what_is_not_stored_yet_is_told(self) -> None:
        told = self.told("read", "A", "B")
        assert [rest.message_ids for rest, _ in told.strangers] == [("B",)]

    def test_many_are_few_queries(self) -> None:
        ids = [f"M{number}" for number in range(600)]
        for one in ids:
            self.sent(one)
        with self.assertNumQueries(7):
            told = self.told("read", *ids)
        assert len(told.changed[Status.READ]) == 600
