"""Pinning from pages: the rules' outcome is what the control says."""

import re
from datetime import timedelta
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chats import pinbook
from chats.models import Contact, Message, Pin, PinEvent
from chats.pinbook import Outcome, Wish
from instances.models import Instance
from instances.whatsapp import service
from instances.whatsapp.commands import PinOrder
from instances.whatsapp.errors import NotConfirmed, NotConnected, Refused
from tests.page_base import PageTestCase, User


class PinPageTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.message = self.make_message("A")
        self.sent: list[PinOrder] = []
        self.error: Exception | None = None
        patch = mock.patch.object(service, "send_pin", self.send_pin)
        patch.start()
        self.addCleanup(patch.stop)

    def send_pin(self, instance: Instance, order: PinOrder) -> None:
        """WhatsApp, as far as this test is concerned."""
        from uuid import UUID

        self.sent.append(order)
        if self.error:
            raise self.error
        pinbook.settle(UUID(order.attempt), Outcome.ACKNOWLEDGED)

    def pin(self, who: str = "bob", duration: str = "7d") -> str:
        return str(self.send(who, f"/messages/{self.message.pk}/pin/", duration=duration).content.decode())

    def unpin(self, who: str = "bob") -> str:
        return str(self.send(who, f"/messages/{self.message.pk}/unpin/").content.decode())

    def test_it_works(self) -> None:
        assert "Pinned by bob" in self.pin()
        assert self.sent[0].duration == 604_800
        assert "Pinned by" not in self.unpin()
        assert [event.actor for event in PinEvent.objects.filter(kind="acknowledged")] == ["bob", "bob"]

    def test_a_colleague_whose_name_is_an_e_mail_address(self) -> None:
        """Was red: "Pinned by ana"."""
        name = "ana@firm-a.com"
        User.objects.filter(pk=self.people["bob"].pk).update(username=name)
        assert f"Pinned by {name}" in self.pin()
        assert f"{name}</strong>" in self.open("bob", "/pins/history/").content.decode()

    def test_a_duration_whatsapp_does_not_know(self) -> None:
        assert self.send("bob", f"/messages/{self.message.pk}/pin/", duration="8d").status_code == 400
        assert self.sent == []

    def test_a_viewer_pins_nothing(self) -> None:
        self.pin("vera")
        assert self.sent == []

    def test_an_action_is_no_message_to_pin(self) -> None:
        type(self.message).objects.filter(pk=self.message.pk).update(kind="reaction")
        assert self.send("bob", f"/messages/{self.message.pk}/pin/", duration="7d").status_code == 403

    def test_not_connected_says_so_and_offers_a_retry(self) -> None:
        self.error = NotConnected()
        page = self.pin()
        assert "The instance is not connected to WhatsApp." in page
        assert "Try again" in page
        assert f'<a href="/instances/{self.shop.uid}/">Open the instance' in page
        self.error = None
        assert "Pinned by bob" in self.pin()

    def test_a_refusal_gives_whatsapps_reason(self) -> None:
        self.error = Refused("error 479")
        assert "error 479" in self.pin()

    def test_no_confirmation_is_not_called_a_pin(self) -> None:
        self.error = NotConfirmed()
        page = self.pin()
        assert "did not confirm" in page
        assert "Pinned by" not in page

    def test_a_failed_unpin_leaves_it_pinned(self) -> None:
        self.pin()
        self.error = Refused("no")
        page = self.unpin()
        assert "Not unpinned." in page
        assert "Pinned by bob" in page

    def test_pending_while_whatsapp_is_asked(self) -> None:
        until = timezone.now() + timedelta(seconds=10)
        pinbook.open_attempt(self.message, Wish(86_400), pinbook.Asker("bob"), until)
        page = self.open("vera", f"/messages/{self.message.pk}/pin-control/").content.decode()
        assert "Pinning …" in page

    def test_a_contact_s_pin_bears_their_name(self) -> None:
        from chats.models import Contact

        Contact.objects.create(instance=self.shop, jid=self.message.sender, push_name="Ana")
        now = timezone.now()
        pinbook.seen(self.message, Wish(86_400), actor=self.message.sender, at=now, stanza_id="S")
        page = self.open("bob", f"/chats/{self.message.chat_id}/pinned/").content.decode()
        assert "Ana ·" in page
        assert "pinned it in WhatsApp" in self.open("bob", "/pins/history/").content.decode()

    def test_who_is_in_the_address_book_alone_has_a_name(self) -> None:
        """Was red: a number stood there."""
        from chats.models import Contact

        Contact.objects.create(instance=self.shop, jid=self.message.sender, name="Ana Souza")
        now = timezone.now()
        pinbook.seen(self.message, Wish(86_400), actor=self.message.sender, at=now, stanza_id="S")
        for path in (f"/chats/{self.message.chat_id}/pinned/", "/pins/", "/pins/history/", "/pins/figures/"):
            assert "Ana Souza" in self.open("bob", path).content.decode(), path
        Contact.objects.update(push_name="aninha")
        for path in ("/pins/", "/pins/history/", "/pins/figures/"):
            assert "Ana Souza" in self.open("bob", path).content.decode(), path

    def test_the_board_holds_what_is_pinned_and_what_failed(self) -> None:
        self.pin()
        other = self.make_message("B")
        self.error = Refused("no")
        self.send("bob", f"/messages/{other.pk}/pin/", duration="24h")
        page = self.open("bob", "/pins/").content.decode()
        assert f'id="b-{self.message.pk}"' in page
        assert f'id="b-{other.pk}"' in page
        assert "b-" not in self.open("bob", "/pins/?filter=zzz", fragment=True).content.decode()

    def board(self, text: str = "") -> set[str]:
        """The ids of the messages on the board."""
        page = self.open("bob", "/pins/", fragment=True, filter=text).content.decode()
        keys = map(int, re.findall(r'id="b-(\d+)"', page))
        return set(Message.objects.filter(pk__in=keys).values_list("message_id", flat=True))

    def test_what_went_wrong_stands_there_for_a_week(self) -> None:
        """Was red: for ever, and of messages that are gone."""
        now = timezone.now()
        for number, (state, hours, gone) in enumerate(
            (
                (Pin.State.FAILED, 167, {}),
                (Pin.State.UNKNOWN, 1, {"disappears_at": now + timedelta(hours=1)}),
                (Pin.State.FAILED, 169, {}),
                (Pin.State.UNKNOWN, 169, {}),
                (Pin.State.FAILED, 1, {"deleted_at": now}),
                (Pin.State.FAILED, 1, {"disappears_at": now}),
            )
        ):
            message = self.make_message(f"M{number}")
            Message.objects.filter(pk=message.pk).update(**gone)
            Pin.objects.create(message=message, state=state, changed_at=now - timedelta(hours=hours))
        assert self.board() == {"M0", "M1"}

    def test_the_filter_finds_what_the_board_shows(self) -> None:
        """Was red: numbers, and names that only the address book has."""
        now = timezone.now()
        who = "5511777777777@s.whatsapp.net"
        Contact.objects.create(instance=self.shop, jid=who, name="Ana Souza", push_name="aninha")
        for number, (chat, sender, actor) in enumerate(
            (("5511999990001", "Íris", who), ("5511999990002", "Rui", "bob"))
        ):
            message = self.make_message(f"M{number}", chat=f"{chat}@s.whatsapp.net")
            Message.objects.filter(pk=message.pk).update(sender_name=sender)
            pinbook.seen(message, Wish(86_400), actor=actor, at=now, stanza_id="S")
        for text, found in (
            ("+55 11 99999-0001", {"M0"}),
            ("0002", {"M1"}),
            ("ana souza", {"M0"}),
            ("+55 (11) 77777", {"M0"}),
            ("íris", {"M0"}),
            ("bob", {"M1"}),
            ("order 0002", set()),
        ):
            assert self.board(text) == found, text

    def test_many_cards_ask_no_more_than_few(self) -> None:
        """Was red: each asked for the name of its instance."""
        asked, ends = [], timezone.now() + timedelta(days=1)
        for count in (2, 20):
            for number in range(count):
                message = self.make_message(f"M{count}-{number}")
                Pin.objects.create(message=message, state=Pin.State.PINNED, expires_at=ends)
            # What is asked for once alone has been asked by then.
            self.open("bob", "/pins/")
            with CaptureQueriesContext(connection) as queries:
                self.client.get("/pins/")
            asked.append(len(queries))
        assert asked[0] == asked[1]

    def test_a_board_that_has_grown_is_drawn_as_far_as_it_has(self) -> None:
        """Was red: with each pin its reader was back at its first page."""
        now = timezone.now()
        for number in range(60):
            state = Pin.State.PINNED if number < 57 else Pin.State.FAILED
            ends = now + timedelta(days=1, seconds=number)
            Pin.objects.create(message=self.make_message(f"M{number}"), state=state, expires_at=ends)
        # Those with trouble are there beside a page of pins.
        for rows, drawn in (("", 53), ("53", 53), ("56", 56), ("60", 60), ("999", 60)):
            page = self.open("bob", "/pins/", fragment=True, rows=rows).content.decode()
            assert (page.count('id="b-'), "after=" in page) == (drawn, drawn < 60), rows

    def test_what_ran_out_is_not_shown_as_pinned(self) -> None:
        self.pin()
        Pin.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert "Pinned by" not in self.open("bob", f"/messages/{self.message.pk}/pin-control/").content.decode()
        assert "b-" not in self.open("bob", "/pins/", fragment=True).content.decode()
