"""Webhooks on the pages: what an administrator does there. tests/permissions has who may."""

from instances.events import book, signing, webhooks
from instances.events.models import Delivery, Webhook
from portal.models import AuditLine
from tests.page_base import PageTestCase

URL = "https://crm.example.com/whatsapp"


class WebhookPagesTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.hook, self.secret = webhooks.add(self.shop, URL, ["message.pin"])
        self.page = f"/instances/{self.shop.uid}/webhooks/"

    def act(self, do: str, who: str = "alice", **more: str) -> int:
        status: int = self.send(who, f"{self.page}{self.hook.uid}/act/", do=do, **more).status_code
        return status

    def test_it_works(self) -> None:
        answer = self.send("alice", f"{self.page}add/", url=URL, events=["message.pin", "group.flow"])
        made = Webhook.objects.latest("pk")
        assert made.events == ["group.flow", "message.pin"]
        assert signing.secret(made) in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        later = self.open("alice", self.page).content.decode()
        assert URL in later
        assert "whsec_" not in later
        line = AuditLine.objects.get(action="webhook added")
        assert (line.actor, line.detail) == ("alice", URL)

    def test_what_cannot_be_added_is_said(self) -> None:
        for url, events, said in (
            ("http://10.0.0.1/", ["message.pin"], "private network"),
            (URL, [], "Choose at least one event"),
        ):
            self.send("alice", f"{self.page}add/", url=url, events=events)
            assert said in self.open("alice", self.page).content.decode()
        assert Webhook.objects.count() == 1

    def test_pause_and_go_on(self) -> None:
        for do, active in (("pause", False), ("resume", True)):
            assert self.act(do) == 302
            self.hook.refresh_from_db()
            assert self.hook.active is active

    def test_a_paused_one_is_not_tested(self) -> None:
        """The page offers no test then; an older page of it does."""
        self.act("pause")
        self.act("test")
        assert "This webhook is paused" in self.open("alice", f"{self.page}{self.hook.uid}/").content.decode()
        assert not Delivery.objects.exists()

    def test_the_log_and_sending_again(self) -> None:
        self.act("test")
        delivery = Delivery.objects.get()
        book.note(delivery, book.Outcome(500, 12, "", "<b>oh no</b>"))
        Delivery.objects.update(give_up_at=delivery.due_at)
        book.give_up()
        log = self.open("alice", f"{self.page}{self.hook.uid}/?state=dead").content.decode()
        assert "webhook.test" in log
        assert "&lt;b&gt;oh no" in log, "what a receiver says is no markup of ours"
        for more in ({}, {"delivery": str(delivery.pk)}):
            Delivery.objects.update(state=Delivery.State.DEAD)
            assert self.act("resend", **more) == 302
            assert Delivery.objects.get().state == Delivery.State.PENDING

    def test_rotate_and_delete(self) -> None:
        answer = self.send("alice", f"{self.page}{self.hook.uid}/act/", do="rotate")
        self.hook.refresh_from_db()
        assert signing.secret(self.hook) in answer.content.decode()
        assert signing.secret(self.hook) != self.secret
        assert self.act("delete") == 302
        assert not Webhook.objects.exists()

    def test_a_webhook_of_another_instance_is_not_there(self) -> None:
        theirs, _ = webhooks.add(self.charlies_shop, URL, ["message.pin"])
        for path in (f"{self.page}{theirs.uid}/", f"/instances/{self.charlies_shop.uid}/webhooks/{theirs.uid}/"):
            assert self.open("alice", path).status_code == 404
            assert self.send("alice", f"{path}act/", do="delete").status_code == 404
        assert Webhook.objects.filter(pk=theirs.pk).exists()
