"""The instances' pages."""

import re
from unittest import mock

from django.utils import timezone

from instances.models import Account, Instance
from instances.states import State
from instances.whatsapp import service
from instances.whatsapp.errors import LinkingFailed, NotConnected
from portal.models import AuditLine
from tests.page_base import PageTestCase, Role


class InstancePageTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.base = f"/instances/{self.shop.uid}/"

    def link(self, jid: str = "5511900000001@s.whatsapp.net") -> None:
        Instance.objects.filter(pk=self.shop.pk).update(jid=jid, state=State.CONNECTED, linked_at=timezone.now())

    def test_it_works(self) -> None:
        page = self.open("alice", "/instances/").content.decode()
        assert "shop" in page
        assert "Not linked" in page

    def test_who_may_make_one_is_told_so_for_as_long_as_there_is_none(self) -> None:
        """Was red: the page said "Make one above", and half a minute later its rows: "Ask an administrator"."""
        self.join("nobody", Account.objects.create(name="New here"), Role.ADMINISTRATOR)
        for fragment in (False, True):
            page = self.open("nobody", "/instances/", fragment=fragment).content.decode()
            assert ("Make one above" in page, "Ask an administrator" in page) == (True, False), fragment

    def test_how_much_of_the_history_is_here(self) -> None:
        """On the panel, which listens for news of it; nothing before the phone has sent any."""
        self.link()
        for percent, shown in ((None, []), (0, ["0 %"]), (62, ["62 %"]), (100, ["100 %"])):
            Instance.objects.filter(pk=self.shop.pk).update(history_percent=percent)
            for path in (self.base, f"{self.base}panel/"):
                page = self.open("vera", path).content.decode()
                assert re.findall(r"<dt>History</dt><dd>(.*?)</dd>", page) == shown
        panel = re.search(r'<section id="panel"[^>]*>', page)
        assert panel
        assert 'data-live="state history"' in panel[0]
        assert f'data-instance="{self.shop.uid.hex}"' in panel[0]

    def test_linking_shows_a_qr_code_and_not_its_text(self) -> None:
        def connect(instance: Instance) -> service.Link:
            Instance.objects.filter(pk=instance.pk).update(state=State.LINKING)
            return service.Link("https://wa.me/secret,text", False, State.LINKING, "")

        with mock.patch.object(service, "connect", connect):
            page = self.send("alice", f"{self.base}connect/").content.decode()
        assert "<svg" in page
        assert "secret" not in page
        assert "style=" not in page

    def test_what_went_wrong_with_a_qr_code_is_read_aloud(self) -> None:
        """Was red: it stood within a picture, of which screen readers read the name alone."""
        Instance.objects.filter(pk=self.shop.pk).update(state=State.LINKING)
        link, not_yet = (service.Link(text, False, State.LINKING, "") for text in ("https://wa.me/secret", ""))
        for answer, roles in ((link, ["img"]), (NotConnected(), ["alert"]), (not_yet, [])):
            with mock.patch.object(service, "connect", side_effect=[answer]):
                page = self.open("alice", f"{self.base}qr/").content.decode()
            assert re.findall('role="([a-z]+)"', page) == roles

    def test_what_went_wrong_stands_in_words(self) -> None:
        with mock.patch.object(service, "connect", side_effect=NotConnected):
            page = self.send("alice", f"{self.base}connect/").content.decode()
        assert "No connector is running that can hold this instance. Start one" in page
        with mock.patch.object(service, "pairing_code", side_effect=NotConnected):
            page = self.send("alice", f"{self.base}pairing-code/", phone="+55 11 99999-9999").content.decode()
        assert "No connector is running that can hold this instance. Start one" in page
        with mock.patch.object(service, "pairing_code", side_effect=LinkingFailed("no such phone")):
            page = self.send("alice", f"{self.base}pairing-code/", phone="+55 11 99999-9999").content.decode()
        assert "no such phone" in page

    def test_a_pairing_code_wants_a_number(self) -> None:
        with mock.patch.object(service, "pairing_code") as asked:
            assert "international" in self.send("alice", f"{self.base}pairing-code/", phone="12").content.decode()
        asked.assert_not_called()

    def test_making_one(self) -> None:
        data = {"account": self.alice_account.pk, "name": "new"}
        assert self.send("alice", "/instances/new/", **data).status_code == 302
        assert Instance.objects.get(name="new").account == self.alice_account
        assert AuditLine.objects.filter(action="instance made").exists()

    def test_a_taken_name_and_a_full_quota(self) -> None:
        data = {"account": self.alice_account.pk}
        self.send("alice", "/instances/new/", name="shop", **data)
        type(self.alice_account).objects.update(instance_quota=2)
        self.send("alice", "/instances/new/", name="third", **data)
        assert self.alice_account.instances.count() == 2

    def test_not_in_another_account(self) -> None:
        assert self.send("alice", "/instances/new/", account=self.charlie_account.pk, name="x").status_code == 404

    def test_no_account(self) -> None:
        """Was red: 5,000 digits were an error (500)."""
        for account in ("9" * 5_000, "9" * 19, "²", "-1", ""):
            assert self.send("alice", "/instances/new/", account=account, name="x").status_code == 404

    def test_deleting_wants_the_name_typed(self) -> None:
        self.link()
        with mock.patch.object(service, "logout") as logout:
            self.send("alice", f"{self.base}delete/", name="Shop")
            logout.assert_not_called()
            self.send("alice", f"{self.base}delete/", name="shop")
            logout.assert_called_once()
        assert not Instance.objects.filter(pk=self.shop.pk).exists()

    def test_nothing_is_deleted_while_the_keys_would_stay(self) -> None:
        self.link()
        with mock.patch.object(service, "logout", side_effect=NotConnected):
            self.send("alice", f"{self.base}delete/", name="shop")
        assert "Start one with its labels" in self.open("alice", self.base).content.decode()
        assert Instance.objects.filter(pk=self.shop.pk).exists()

    def test_why_it_is_down_in_the_readers_language(self) -> None:
        Instance.objects.filter(pk=self.shop.pk).update(state=State.LOGGED_OUT, state_detail="401")
        self.client.cookies["django_language"] = "pt"
        page = self.open("vera", self.base).content.decode()
        assert "O celular desconectou este dispositivo" in page
        assert "401" in page

    def test_refusals_in_the_readers_language(self) -> None:
        """Was red: English sentences stood in them, behind words of the reader's."""
        self.client.cookies["django_language"] = "pt"
        self.send("alice", f"{self.base}settings/", proxy="http://proxy.example.com")
        page = self.open("alice", self.base).content.decode()
        assert "Falta a porta do proxy" in page
        assert "port is missing" not in page
        no_code = LinkingFailed("WhatsApp gave no pairing code: 400")
        with mock.patch.object(service, "pairing_code", side_effect=no_code):
            page = self.send("alice", f"{self.base}pairing-code/", phone="+55 11 99999-9999").content.decode()
        assert "O WhatsApp não deu um código de pareamento: 400" in page
        Instance.objects.filter(pk=self.shop.pk).update(state=State.LINKING)
        why = "WhatsApp gave no code (The code ran out.). Check this machine's internet connection and try again."
        for verb, ask in (("connect/", self.send), ("qr/", self.open)):
            with mock.patch.object(service, "connect", side_effect=LinkingFailed(why)):
                page = ask("alice", self.base + verb).content.decode()
            assert "O WhatsApp não deu um código (O código expirou.)" in page, verb
        Instance.objects.filter(pk=self.shop.pk).update(state=State.UNLINKED, state_detail="The code ran out.")
        assert "O código expirou." in self.open("alice", self.base).content.decode()
