"""Signing in: the door, and the brake on guessing."""

from typing import Any
from unittest import mock

from django.core.cache import cache
from django.test import TestCase, override_settings

from portal.models import AuditLine
from tests.page_base import User

GOOD = "correct horse battery"


class SignInTest(TestCase):
    def setUp(self) -> None:
        self.bob = User.objects.create_user("bob", password=GOOD)

    def try_in(self, password: str, name: str = "bob", address: str = "192.0.2.1") -> int:
        answer = self.client.post("/sign-in/", {"username": name, "password": password}, REMOTE_ADDR=address)
        return int(answer.status_code)

    def test_it_works(self) -> None:
        assert self.try_in(GOOD) == 302
        assert AuditLine.objects.get().action == "signed in"

    def test_guessing_is_slowed_down(self) -> None:
        codes = [self.try_in("wrong") for _ in range(6)]
        assert codes[0] == 200
        assert codes[-1] == 429
        assert self.try_in(GOOD) == 429

    def test_a_colleague_and_another_address_are_not_locked_out(self) -> None:
        User.objects.create_user("vera", password=GOOD)
        for _ in range(6):
            self.try_in("wrong")
        assert self.try_in(GOOD, "vera") == 302
        self.client.logout()
        assert self.try_in(GOOD, address="192.0.2.2") == 302

    @override_settings(SIGN_IN_RATE="30/m")
    def test_other_names_are_no_way_around_it(self) -> None:
        """Was red: whoever took another name each time could try as often as they liked, a slow hash a try."""
        cache.clear()
        with mock.patch("time.time", return_value=1_800_000_000.0):
            assert [self.try_in("wrong", f"name{number}") for number in range(40)] == [200] * 30 + [429] * 10
            with mock.patch("django.contrib.auth.forms.authenticate") as looked:
                answer = self.client.post("/sign-in/", {"username": "bob", "password": GOOD}, REMOTE_ADDR="192.0.2.1")
            looked.assert_not_called()
            assert "Those were many tries. Wait a minute, then try again." in answer.content.decode()
            assert 1 <= int(answer["Retry-After"]) <= 60
            assert self.client.get("/sign-in/", REMOTE_ADDR="192.0.2.1").status_code == 200
            assert self.try_in(GOOD, address="192.0.2.2") == 302
        with mock.patch("time.time", return_value=1_800_000_061.0):
            assert self.try_in(GOOD) == 302

    def change(self, old: str) -> Any:
        new = "another horse battery"
        wish = {"old_password": old, "new_password1": new, "new_password2": new}
        return self.client.post("/preferences/password/", wish)

    @override_settings(SIGN_IN_RATE="30/m")
    def test_the_old_password_is_not_guessed_in_an_open_session(self) -> None:
        """Was red: as often as one liked, a slow hash a try."""
        User.objects.create_user("vera", password=GOOD)
        cache.clear()
        with mock.patch("time.time", return_value=1_800_000_000.0):
            assert self.try_in(GOOD) == 302
            assert [self.change("wrong").status_code for _ in range(32)] == [200] * 30 + [429] * 2
            with mock.patch.object(User, "check_password") as looked:
                answer = self.change(GOOD)
            looked.assert_not_called()
            assert "Those were many tries. Wait a minute, then try again." in answer.content.decode()
            assert "another horse" not in answer.content.decode()
            assert 1 <= int(answer["Retry-After"]) <= 60
            assert self.client.get("/preferences/password/").status_code == 200
            self.client.logout()
            assert self.try_in(GOOD, "vera") == 302
            assert self.change(GOOD).status_code == 302, "another's tries are their own"
            self.client.logout()
            assert self.try_in(GOOD) == 302
        with mock.patch("time.time", return_value=1_800_000_061.0):
            assert self.change(GOOD).status_code == 302

    def test_the_administration_has_no_form_of_its_own(self) -> None:
        """Was red: Django's, by which guesses were not counted and a change left no line in the audit."""
        self.client.force_login(User.objects.create_superuser("root"), "django.contrib.auth.backends.ModelBackend")
        for answer in (self.client.get("/admin/password_change/"), self.client.post("/admin/password_change/")):
            assert answer["Location"] == "/preferences/password/"

    def test_the_door_does_not_lead_elsewhere(self) -> None:
        data = {"username": "bob", "password": GOOD, "next": "https://example.com/"}
        assert self.client.post("/sign-in/", data)["Location"] == "/"

    def test_the_policy_stands_on_every_page(self) -> None:
        policy = self.client.get("/sign-in/")["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
