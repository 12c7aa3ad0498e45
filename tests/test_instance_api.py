"""The instance endpoints: a test for each row of the contract."""

import json
from typing import Any
from unittest.mock import patch

from django.http import HttpResponse
from django.test import override_settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from instances import tokens
from instances.models import Instance, Token, valid_name
from instances.whatsapp.adapter import refusals
from instances.whatsapp.errors import LinkingFailed, NotConfirmed, NotConnected
from instances.whatsapp.service import Link
from portal.models import AuditLine
from portal.rest import openapi
from tests.base import ApiTestCase

WRONG = "Instance token does not match the requested instance"
CHOSEN = "0123456789abcdef0123456789abcdef"
PATHS = {
    "/api/instance/connect/": "GET",
    "/api/instance/logout/": "POST",
    "/api/instance/delete/": "DELETE",
}


class InstanceTestCase(ApiTestCase):
    """No connector is up; what would be asked of one is recorded."""

    def setUp(self) -> None:
        super().setUp()
        self.announce = self.enterContext(patch("instances.whatsapp.service.announce"))
        self.connect = self.enterContext(patch("instances.whatsapp.service.connect"))
        self.connect.return_value = Link("2@code", False, "linking", "Waiting.")
        self.pairing_code = self.enterContext(
            patch("instances.whatsapp.service.pairing_code", return_value="ABCD-1234")
        )
        self.logout = self.enterContext(patch("instances.whatsapp.service.logout"))
        self.enterContext(patch("instances.api.TAKE_UP_SECONDS", 0))

    def link(self, instance: Instance) -> None:
        instance.jid, instance.state = "5511999990001@s.whatsapp.net", "connected"
        instance.save()


class New(InstanceTestCase):
    def new(self, body: Any, token: str = "") -> HttpResponse:
        return self.post("/api/instance/new", body, token=token or self.alice)

    def test_it_works(self) -> None:
        response = self.new({"name": "sales"})
        answer = response.json()  # type: ignore[attr-defined]
        made = Instance.objects.get(name="sales")
        assert response.status_code == 200
        assert list(answer) == ["success", "message", "instance"]
        assert answer["instance"]["instanceName"] == "sales"
        assert answer["instance"]["state"] == "unlinked"
        assert answer["instance"]["numberJid"] is None
        assert made.account == self.alice_account
        token = tokens.find(answer["instance"]["token"])
        assert token is not None
        assert (token.account, token.instance) == (self.alice_account, made)
        self.announce.assert_called_once_with(made)
        assert response.headers["X-RateLimit-Limit"] == "20"
        line = AuditLine.objects.get()
        assert (line.action, line.actor) == ("instance created", "token 'Alice'")

    def test_the_token_opens_the_instance_and_nothing_else(self) -> None:
        secret = self.new({"name": "sales"}).json()["instance"]["token"]  # type: ignore[attr-defined]
        assert self.call("GET", "/api/instance/connect/sales", token=secret).status_code == 200
        self.assert_error(self.call("GET", "/api/instance/connect/shop", token=secret), 403, WRONG)

    def test_a_token_of_the_callers_own(self) -> None:
        answer = self.new({"name": "sales", "token": CHOSEN}).json()  # type: ignore[attr-defined]
        assert answer["instance"]["token"] == CHOSEN
        row = tokens.find(CHOSEN)
        assert row is not None
        assert row.prefix == CHOSEN[:4]
        assert not Token.objects.filter(digest=CHOSEN).exists()

    def test_a_token_that_is_too_weak_or_does_not_fit_a_header(self) -> None:
        words = "token must have 32 to 128 visible ASCII characters and no blank, or be left out"
        for value in ("short", CHOSEN[1:], CHOSEN + " ", " " + CHOSEN, "é" * 40, "x" * 129):
            with self.subTest(value):
                self.assert_error(self.new({"name": "sales", "token": value}), 400, f"Invalid request body: {words}")
        assert not Instance.objects.filter(name="sales").exists()

    def test_a_token_that_is_in_use(self) -> None:
        self.new({"name": "sales", "token": CHOSEN})
        response = self.new({"name": "other", "token": CHOSEN}, self.charlie)
        self.assert_error(response, 409, "This token is in use already: choose another one, or leave it out")
        assert not Instance.objects.filter(name="other").exists(), "nothing was made"

    def test_the_name_is_required(self) -> None:
        for body in ({}, {"name": None}, {"name": " "}):
            self.assert_error(self.new(body), 400, "Instance name is required")

    def test_a_name_that_fits_no_address(self) -> None:
        for name in ("a/b", "a\nb", "x" * 65, "a,b", "?"):
            response = self.new({"name": name})
            self.assert_error(
                response,
                400,
                f"Invalid request body: name: {valid_name.message}",
            )
        self.assert_error(self.new({"name": 7}), 400, "Invalid request body: name must be a string, not a number")

    def test_a_taken_name(self) -> None:
        self.assert_error(self.new({"name": "shop"}), 409, "Instance shop exists already")

    def test_a_strangers_name_is_free(self) -> None:
        assert self.new({"name": "stall"}).status_code == 200

    def test_quota(self) -> None:
        self.alice_account.instance_quota = 2
        self.alice_account.save()
        self.assert_error(self.new({"name": "sales"}), 403, "Account instance quota exceeded")
        assert self.new({"name": "sales"}, self.charlie).status_code == 200

    def test_an_instance_token_may_not(self) -> None:
        response = self.new({"name": "sales"}, self.alice_shop)
        self.assert_error(response, 403, "An account token is needed to create instances")

    def test_strangers(self) -> None:
        self.assert_error(self.post("/api/instance/new", {"name": "x"}), 401, "Missing token in header")
        self.assert_error(self.new({"name": "x"}, "wap_nonsense"), 401, "Invalid token")
        assert self.new({"name": "charlies"}, self.charlie).status_code == 200
        assert Instance.objects.get(name="charlies").account == self.charlie_account

    @override_settings(API_NEW_INSTANCE_RATE="2/m")
    def test_it_has_a_rate_of_its_own(self) -> None:
        for name in ("a", "b"):
            assert self.new({"name": name}).headers["X-RateLimit-Limit"] == "2"
        self.assert_error(self.new({"name": "c"}), 429, "Rate limit exceeded. Try again later.")
        assert self.call("GET", "/api/instance/list", token=self.alice).status_code == 200

    def test_other_methods(self) -> None:
        response = self.call("GET", "/api/instance/new", token=self.alice)
        self.assert_error(response, 405, "Method GET is not allowed here: use POST")


class Listing(InstanceTestCase):
    def all(self, token: str, query: str = "") -> HttpResponse:
        return self.call("GET", f"/api/instance/list{query}", token=token)

    def names(self, token: str, query: str = "") -> list[str]:
        answer = self.all(token, query).json()  # type: ignore[attr-defined]
        return [one["instanceName"] for one in answer["instances"]]

    def test_it_works(self) -> None:
        self.link(self.shop)
        answer = self.all(self.alice).json()  # type: ignore[attr-defined]
        assert answer["message"] == "2 Instances found"
        desk, shop = answer["instances"]
        assert (desk["state"], desk["numberJid"]) == ("unlinked", None)
        assert (shop["state"], shop["sentence"]) == ("connected", "Connected to WhatsApp.")
        assert shop["numberJid"] == "5511999990001@s.whatsapp.net"
        assert "token" not in shop

    def test_how_much_of_the_phones_history_is_here(self) -> None:
        at = timezone.now()
        Instance.objects.filter(pk=self.shop.pk).update(history_percent=62, history_at=at)
        desk, shop = self.all(self.alice).json()["instances"]  # type: ignore[attr-defined]
        assert (desk["historyPercent"], desk["historyAt"]) == (None, None)
        assert (shop["historyPercent"], parse_datetime(shop["historyAt"])) == (62, at)

    def test_some_by_name(self) -> None:
        assert self.names(self.alice, "?instanceName=shop") == ["shop"]
        assert self.names(self.alice, "?instanceName=shop,desk,nothing") == ["desk", "shop"]

    def test_one_that_is_not_there(self) -> None:
        self.assert_error(self.all(self.alice, "?instanceName=nothing"), 404, "Instance not found")
        self.assert_error(self.all(self.charlie, "?instanceName=desk"), 404, "Instance not found")

    def test_an_instance_token_sees_its_own_whatever_is_asked(self) -> None:
        for query in ("", "?instanceName=desk", "?instanceName=nothing"):
            assert self.names(self.alice_shop, query) == ["shop"]

    def test_charlie_sees_his_own(self) -> None:
        assert self.names(self.charlie) == ["shop", "stall"]
        self.link(self.shop)
        shop = self.all(self.charlie, "?instanceName=shop").json()["instances"][0]  # type: ignore[attr-defined]
        assert shop["numberJid"] is None

    def test_no_token(self) -> None:
        self.assert_error(self.all(""), 401, "Missing token in header")

    def test_nul(self) -> None:
        words = "Invalid parameter: instanceName must not contain a NUL character (%00)"
        self.assert_error(self.all(self.alice, "?instanceName=%00"), 400, words)


class Strangers(InstanceTestCase):
    def tearDown(self) -> None:
        for asked in (self.connect, self.pairing_code, self.logout):
            asked.assert_not_called()
        assert Instance.objects.count() == 4
        super().tearDown()

    def test_they_are_refused_everywhere(self) -> None:
        for path, method in PATHS.items():
            with self.subTest(path):
                self.assert_error(self.call(method, f"{path}desk"), 401, "Missing token in header")
                self.assert_error(self.call(method, f"{path}desk", token="wap_x"), 401, "Invalid token")
                self.assert_error(self.call(method, f"{path}desk", token=self.charlie), 404, "Instance not found")
                self.assert_error(self.call(method, f"{path}nothing", token=self.alice), 404, "Instance not found")
                self.assert_error(self.call(method, f"{path}shop", token=self.charlie_stall), 403, WRONG)
                self.assert_error(self.call(method, f"{path}shop", token=self.bob_desk), 403, WRONG)
                self.assert_error(self.call(method, path, token=self.alice), 400, "Instance name is required")


class Connect(InstanceTestCase):
    def ask(self, query: str = "", token: str = "") -> HttpResponse:
        return self.call("GET", f"/api/instance/connect/shop{query}", token=token or self.alice)

    def test_a_qr_code(self) -> None:
        answer = self.ask(token=self.alice_shop).json()  # type: ignore[attr-defined]
        picture = answer.pop("qrCodeBase64")
        assert answer == {
            "success": True,
            "message": "QR code generated",
            "status": "qr",
            "state": "linking",
            "sentence": "Waiting.",
            "qrCode": "2@code",
        }
        assert picture.startswith("data:image/png;base64,iVBOR")
        self.connect.assert_called_once_with(self.shop)

    def test_a_linked_one_is_connected(self) -> None:
        self.connect.return_value = Link("", True, "connecting", "Connecting to WhatsApp.")
        self.assert_answer(
            self.ask(),
            {
                "success": True,
                "message": "A phone is linked",
                "status": "linked",
                "state": "connecting",
                "sentence": "Connecting to WhatsApp.",
            },
        )

    def test_a_pairing_code(self) -> None:
        for name in ("number", "phone"):
            answer = self.ask(f"?{name}=%2B55+(11)+99999-9999").json()  # type: ignore[attr-defined]
            assert (answer["status"], answer["pairingCode"]) == ("pairing", "ABCD-1234")
            self.pairing_code.assert_called_with(self.shop, "5511999999999")
        assert {line.action for line in AuditLine.objects.all()} == {"pairing code asked for"}

    def test_no_phone_number(self) -> None:
        words = "number must be a phone number with its country code, for example 5511999999999"
        for value in ("abc", "123", "0119999999", "1" * 16, "٣٤٥٦٧٨٩"):
            self.assert_error(self.ask(f"?number={value}"), 400, f"Invalid parameter: {words}")
        # The library refuses what is too short or begins with 0 as well, in words of its own: they are not needed.
        self.pairing_code.assert_not_called()

    def test_a_code_while_a_phone_is_linked(self) -> None:
        self.link(self.shop)
        words = "A phone is linked already. Log out first to link another one."
        self.assert_error(self.ask("?number=5511999999999"), 409, words)

    def test_no_connector(self) -> None:
        self.connect.side_effect = NotConnected
        self.assert_error(self.ask(), 503, "WhatsApp client is not connected")

    def test_whatsapp_gives_no_code(self) -> None:
        self.connect.side_effect = LinkingFailed("WhatsApp gave no code.")
        self.assert_error(self.ask(), 502, "WhatsApp gave no code.")

    def test_whatsapp_gives_no_pairing_code(self) -> None:
        """Each answer is one that the API's description has."""
        answers = openapi.document()["paths"]["/api/instance/connect/{instance}"]["get"]["responses"]
        examples = answers["502"]["content"]["application/json"]["examples"].values()
        for said in ("websocket not connected", "info query returned status 400: bad-request"):
            self.pairing_code.side_effect = LinkingFailed(refusals.of_a_code(said))
            answer = self.ask("?number=5511999999999")
            self.assert_error(answer, 502, refusals.of_a_code(said))
            assert json.loads(answer.content) in [example["value"] for example in examples]


class Logout(InstanceTestCase):
    def ask(self, token: str = "") -> HttpResponse:
        return self.post("/api/instance/logout/shop", token=token or self.alice)

    def test_it_works(self) -> None:
        self.link(self.shop)
        answer = {"success": True, "message": "Instance logged out successfully", "instanceName": "shop"}
        self.assert_answer(self.ask(self.alice_shop), answer)
        self.logout.assert_called_once_with(self.shop)
        assert AuditLine.objects.get().action == "instance logged out"

    def test_one_that_is_not_linked_needs_no_connector(self) -> None:
        self.logout.side_effect = NotConnected
        assert self.ask().status_code == 200

    def test_no_connector(self) -> None:
        self.link(self.shop)
        self.logout.side_effect = NotConnected
        self.assert_error(self.ask(), 503, "WhatsApp client is not connected")
        self.logout.side_effect = NotConfirmed
        self.assert_error(self.ask(), 504, "WhatsApp did not confirm in time")


class Delete(InstanceTestCase):
    def ask(self, token: str = "") -> HttpResponse:
        return self.call("DELETE", "/api/instance/delete/shop", token=token or self.alice)

    def test_it_works(self) -> None:
        self.make_message("3EB0")
        answer = {"success": True, "message": "Instance deleted successfully", "instanceName": "shop"}
        self.assert_answer(self.ask(), answer)
        assert not Instance.objects.filter(pk=self.shop.pk).exists()
        assert tokens.find(self.alice_shop) is None, "its token went with it"
        assert Instance.objects.filter(pk=self.charlies_shop.pk).exists()
        assert AuditLine.objects.get().action == "instance deleted"

    def test_its_own_token_may(self) -> None:
        assert self.ask(self.alice_shop).status_code == 200
        self.assert_error(self.ask(self.alice_shop), 401, "Invalid token")

    def test_keys_that_would_stay_behind_keep_it(self) -> None:
        self.link(self.shop)
        self.logout.side_effect = NotConnected
        self.assert_error(self.ask(), 503, "WhatsApp client is not connected")
        self.logout.side_effect = NotConfirmed
        self.assert_error(self.ask(), 504, "WhatsApp did not confirm in time")
        assert Instance.objects.filter(pk=self.shop.pk).exists()
