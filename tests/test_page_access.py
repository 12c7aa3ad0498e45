"""What pages hold for whom. tests/permissions has every address by everybody."""

from tests.page_base import PageTestCase


class PageAccessTest(PageTestCase):
    def test_nobody_is_sent_to_the_sign_in(self) -> None:
        answer = self.open("", "/search/?q=x")
        assert answer["Location"] == "/sign-in/?next=/search/%3Fq%3Dx"

    def test_a_fragment_takes_the_whole_page_to_the_sign_in(self) -> None:
        answer = self.open("", "/chats/list/", fragment=True)
        assert (answer.status_code, answer["HX-Redirect"]) == (401, "/sign-in/")

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
