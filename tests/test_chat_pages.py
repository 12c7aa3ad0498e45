"""The chats' pages."""

from tests.page_base import PageTestCase


class ChatPageTest(PageTestCase):
    def test_it_works(self) -> None:
        message = self.make_message("A")
        message.chat.last_message_at = message.sent_at
        message.chat.save()
        page = self.open("bob", f"/chats/{message.chat_id}/")
        self.assertContains(page, f'id="m-{message.pk}"')
        self.assertContains(page, "Hello")

    def test_every_page_opens(self) -> None:
        message = self.make_message("A")
        message.chat.last_message_at = message.sent_at
        message.chat.save()
        chat, one = f"/chats/{message.chat_id}/", f"/instances/{self.shop.uid}/"
        parts = [f"{chat}{part}" for part in (f"?at={message.pk}", "pinned/", "details/", "rows/?newer=0.0")]
        lists = [
            "/chats/",
            "/chats/list/",
            "/search/",
            "/search/?q=hello",
            "/search/?q=zzz",
            "/pins/",
            "/pins/history/",
        ]
        others = [f"/messages/{message.pk}/pin-control/", "/instances/", one, f"{one}panel/"]
        for path in (*parts, *lists, *others, "/preferences/", "/preferences/password/"):
            assert self.open("alice", path).status_code == 200, path
        assert self.open("", "/sign-in/").status_code == 200
        assert self.open("alice", "/nowhere/").status_code == 404

    def test_the_administration_opens(self) -> None:
        for path in (
            "", "auth/user/", "auth/user/add/", f"auth/user/{self.people['bob'].pk}/change/", "instances/account/",
            f"instances/account/{self.alice_account.pk}/change/", "instances/membership/add/", "instances/token/",
            "instances/token/add/", f"instances/token/{self.alice_token.pk}/change/", "portal/auditline/",
        ):  # fmt: skip
            assert self.open("root", f"/admin/{path}").status_code == 200, path

    def test_a_token_is_shown_once(self) -> None:
        data = {
            "account": self.alice_account.pk,
            "instance": "",
            "label": "CRM",
            "expires_at_0": "",
            "expires_at_1": "",
        }
        answer = self.send("alice", "/admin/instances/token/add/", **data)
        self.assertContains(answer, "wap_")
        self.assertNotContains(self.open("alice", "/admin/instances/token/"), 'id="secret"')
