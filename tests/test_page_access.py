"""What pages hold for whom. tests/permissions has every address by everybody."""

from urllib.parse import parse_qs, urlsplit

from tests.page_base import PageTestCase


class PageAccessTest(PageTestCase):
    def test_nobody_is_sent_to_the_sign_in(self) -> None:
        answer = self.open("", "/search/?q=x")
        assert answer["Location"] == "/sign-in/?next=/search/%3Fq%3Dx"

    def test_a_fragment_takes_the_whole_page_to_the_sign_in(self) -> None:
        answer = self.open("", "/chats/list/", fragment=True)
        assert (answer.status_code, answer["HX-Redirect"]) == (401, "/sign-in/?next=/")

    def test_and_from_there_back_to_that_page(self) -> None:
        """Was red: to the first page. What a caller says of its page leads to no other host."""
        for page, back in (
            ("http://testserver/search/?q=x&y=%C3%A9#hit", "/search/?q=x&y=%C3%A9"),
            ("http://testserver", "/"),
            ("https://example.com/chats/", "/"),
            ("//example.com/", "/"),
            ("///example.com/", "/"),
            ("http://testserver//example.com/", "/"),
            ("http://testserver/\\example.com/", "/"),
            ("http://testserver@example.com/", "/"),
            ("http:///example.com/", "/"),
            ("\\\\example.com/", "/"),
            ("example.com", "/"),
            ("javascript:alert(1)", "/"),
            ("http://[", "/"),
        ):
            for method, path in ((self.client.get, "/chats/list/"), (self.client.post, "/messages/1/pin/")):
                answer = method(path, headers={"HX-Request": "true", "HX-Current-URL": page})
                door = urlsplit(answer["HX-Redirect"])
                assert (answer.status_code, door.netloc, door.path) == (401, "", "/sign-in/"), page
                assert parse_qs(door.query) == {"next": [back]}, page

    def test_after_signing_in_one_is_back_on_the_page_with_the_form(self) -> None:
        """Was red: where a form had been sent to was opened, which is a blank page (405)."""
        form = f"/messages/{self.make_message('A').pk}/schedule/"
        for page, back in (
            ("http://testserver/messages/1/?x=y#z", "/messages/1/?x=y"),
            ("", "/"),
            ("https://example.com/", "/"),
            ("http://testserver//example.com/", "/"),
            ("http://[", "/"),
        ):
            self.become("")
            answer = self.client.post(form, headers={"Referer": page} if page else {})
            assert parse_qs(urlsplit(answer["Location"]).query) == {"next": [back]}, page
        page = f"/messages/{self.make_message('B').pk}/"
        door = self.client.post(form, headers={"Referer": f"http://testserver{page}"})["Location"]
        self.people["bob"].set_password("correct horse battery")
        self.people["bob"].save()
        data = {"username": "bob", "password": "correct horse battery", "next": parse_qs(urlsplit(door).query)["next"]}
        answer = self.client.post(door, data)
        assert answer["Location"] == page
        assert self.client.get(answer["Location"]).status_code == 200

    def test_no_page_is_blank(self) -> None:
        """Was red: who was refused something saw an empty page."""
        pk = self.make_message("A").pk
        for who, method, path, data, status, words in (
            ("vera", "post", f"/messages/{pk}/schedule/", {}, 403, "Not yours to change"),
            ("bob", "post", f"/messages/{pk}/pin/", {"duration": "8d"}, 400, "That form did not say enough"),
            ("bob", "get", f"/messages/{pk}/schedule/", {}, 405, "Nothing to read here"),
            ("", "get", f"/messages/{pk}/schedule/", {}, 405, "Nothing to read here"),
        ):
            self.become(who)
            for headers, drawn in (({}, True), ({"HX-Request": "true"}, False), ({"Accept": "image/png"}, False)):
                answer = getattr(self.client, method)(path, data, headers=headers)
                assert answer.status_code == status
                assert ("To the start" in answer.content.decode(), words in answer.content.decode()) == (drawn, drawn)
                assert bool(answer.content) == drawn
            assert answer.headers.get("Allow") == ("POST" if status == 405 else None)
        self.client.cookies["django_language"] = "pt"
        self.become("vera")
        assert "Você não pode alterar isto" in self.client.post(f"/messages/{pk}/schedule/").content.decode()

    def test_the_api_has_its_own_words(self) -> None:
        answer = self.client.get("/api/chat/pinMessage/shop")
        assert answer["Content-Type"] == "application/json"

    def test_lists_hold_nothing_of_others(self) -> None:
        secret = self.make_message("B", instance=self.charlies_shop)
        type(secret).objects.filter(pk=secret.pk).update(text="only for Charlie")
        secret.chat.last_message_at = secret.sent_at
        secret.chat.save()
        for path in ("/search/?q=Charlie", "/chats/list/", "/pins/", "/pins/history/", "/instances/"):
            assert "only for Charlie" not in self.open("alice", path).content.decode(), path
        assert "only for Charlie" in self.open("charlie", "/chats/list/").content.decode()
        assert "stall" not in self.open("alice", "/instances/").content.decode()

    def test_an_operator_sees_only_what_was_given(self) -> None:
        page = self.open("bob", "/instances/").content.decode()
        assert str(self.shop.uid) in page
        assert str(self.desk.uid) not in page
        assert self.open("bob", f"/instances/{self.desk.uid}/").status_code == 404

    def test_who_is_deactivated_sees_nothing(self) -> None:
        bob = self.people["bob"]
        bob.is_active = False
        bob.save()
        assert self.open("bob", "/chats/").status_code == 302
