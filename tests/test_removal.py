"""An instance that is deleted: gone from sight at once, and from the database in batches."""

from datetime import timedelta
from unittest import mock

import pytest
from django.utils import timezone

from chats import removal
from chats.models import Chat, Contact, Message, Pin
from chats.search import catch_up, parse, search
from instances import lifecycle
from instances.models import Instance, Token
from instances.whatsapp import housekeeping, service
from tests.page_base import PageTestCase


class RemovalTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        for number in range(30):
            self.make_message(f"M{number}")
        self.message = Message.objects.first()
        assert self.message is not None
        until = timezone.now() + timedelta(days=1)
        Pin.objects.create(message=self.message, state=Pin.State.PINNED, expires_at=until)
        Chat.objects.update(last_message_at=self.message.sent_at)
        catch_up()
        Contact.objects.create(instance=self.shop, jid="5511999999999@s.whatsapp.net")
        self.make_message("D", instance=self.desk)

    def delete(self, at_once: int = 0) -> None:
        with mock.patch.object(lifecycle, "AT_ONCE", at_once), mock.patch.object(service, "logout"):
            lifecycle.delete(self.shop)

    def test_it_works(self) -> None:
        self.delete(at_once=1_000)
        assert not Instance.every.filter(pk=self.shop.pk).exists()
        assert [message.message_id for message in Message.objects.all()] == ["D"]

    def test_nothing_of_it_is_seen_at_once(self) -> None:
        assert self.message is not None
        pages = ("/chats/", "/chats/list/", "/pins/", "/pins/history/", "/search/?q=hello", "/instances/")
        before = {path: self.open("root", path).content.decode() for path in pages}
        for path in ("/chats/", "/pins/", "/search/?q=hello"):
            assert f"/chats/{self.message.chat_id}/" in before[path], path
        self.delete()
        assert Message.objects.filter(instance=self.shop.pk).count() == 30
        for who in ("root", "alice", "bob"):
            for path in pages:
                page = self.open(who, path).content.decode()
                assert f"/messages/{self.message.pk}/" not in page, (who, path)
                assert f"/chats/{self.message.chat_id}/" not in page, (who, path)
                assert str(self.shop.uid) not in page, (who, path)
            for path in (
                f"/instances/{self.shop.uid}/",
                f"/chats/{self.message.chat_id}/",
                f"/chats/{self.message.chat_id}/rows/",
                f"/messages/{self.message.pk}/pin-control/",
            ):
                assert self.open(who, path).status_code == 404, (who, path)
        assert self.shop.pk not in {instance.pk for instance in Instance.objects.all()}

    def test_the_api_knows_it_no_more(self) -> None:
        self.delete()
        for token, status in ((self.alice, 404), (self.alice_shop, 401)):
            answer = self.client.get("/api/chat/list/shop", headers={"token": token})
            assert answer.status_code == status
        assert not Token.objects.filter(instance=self.shop.pk).exists()

    def test_the_name_is_free(self) -> None:
        self.delete()
        made = lifecycle.create(self.alice_account, "shop")
        assert self.open("alice", f"/instances/{made.uid}/").status_code == 200
        assert not search([made.pk], parse("hello")).hits

    def test_the_housekeeping_goes_on_where_it_was_killed(self) -> None:
        self.delete()
        with (
            mock.patch.object(removal, "BATCH", 10),
            mock.patch.object(removal, "catch_up", side_effect=[None, None, KeyboardInterrupt]),
            pytest.raises(KeyboardInterrupt),
        ):
            removal.remove_gone()
        assert Message.objects.filter(instance=self.shop.pk).count() == 10
        assert Instance.every.filter(pk=self.shop.pk).exists()
        housekeeping.run(1)
        assert not Instance.every.filter(pk=self.shop.pk).exists()
        assert not Chat.objects.filter(instance=self.shop.pk).exists()
        assert [message.message_id for message in Message.objects.all()] == ["D"]

    def test_a_little_at_a_time(self) -> None:
        self.delete()
        assert removal.remove_gone(limit=10) == 10
        assert Message.objects.filter(instance=self.shop.pk).count() == 20

    def test_others_are_left_alone(self) -> None:
        removal.remove_gone()
        assert Instance.objects.filter(pk=self.shop.pk).exists()
        assert Message.objects.count() == 31
