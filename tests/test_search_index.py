"""The index follows the messages' table, whoever writes it."""

from datetime import timedelta
from unittest.mock import patch

from django.db import connection
from django.utils import timezone

from chats import search
from chats.intake import take_in
from chats.models import Contact, Message
from chats.search import retention
from chats.search.backends import backend
from chats.search.index import BATCH
from chats.search.keys import key_of
from chats.search.retention import count_older
from instances.models import MOST_KEEP_DAYS, Instance
from instances.whatsapp.events import MessageArrived, Party, PersonKnown
from tests.test_search_base import ANA, SALES, START, SearchTestCase


class Following(SearchTestCase):
    def test_an_edit(self) -> None:
        message = self.say("before")
        self.assert_finds("before", "before")
        message.text = "after"
        message.save(update_fields=["text", "edited_at"])
        self.assert_finds("after", "after")
        self.assert_finds_nothing("before")

    def test_a_deletion_for_everyone(self) -> None:
        message = self.say("secret")
        self.assert_finds("secret", "secret", "type:text")
        message.deleted_at = timezone.now()
        message.save(update_fields=["deleted_at"])
        # At once, even before the index has heard of it.
        assert search.search([self.shop.pk], search.parse("secret")).hits == []
        self.assert_finds_nothing("secret", "type:text", message.message_id)

    def test_a_deletion_of_the_row(self) -> None:
        self.say("secret")
        self.assert_finds("secret", "secret")
        Message.objects.filter(text="secret").delete()
        assert search.search([self.shop.pk], search.parse("secret")).hits == []
        self.assert_finds_nothing("secret")
        assert self.stored() == 0

    def test_a_bulk_write_and_an_update_in_sql(self) -> None:
        one, two = self.say("one"), self.say("two")
        Message.objects.filter(pk__in=[one.pk, two.pk]).delete()
        Message.objects.bulk_create([one, two])
        Message.objects.filter(pk=two.pk).update(text="three")
        assert self.found("type:text") == ["three", "one"]

    def test_a_message_that_is_filed_anew(self) -> None:
        message = self.say("hello", chat=SALES, sender="1234@lid")
        self.assert_finds("hello", "from:1234@lid")
        Message.objects.filter(pk=message.pk).update(sender=ANA)
        self.assert_finds("hello", f"from:{ANA}")
        self.assert_finds_nothing("from:1234@lid")

    def test_a_time_that_was_mended(self) -> None:
        message = self.say("word early")
        self.say("word late")
        self.found("word")
        message.sent_at = START + timedelta(days=1)
        message.save()
        assert self.found("word") == ["word early", "word late"]
        assert self.stored() == 2

    def test_a_message_that_has_become_readable(self) -> None:
        message = self.say("", kind=Message.Kind.UNREADABLE)
        self.found("x")
        message.kind, message.text = Message.Kind.TEXT, "now you see me"
        message.save()
        self.assert_finds("now you see me", "see type:text")

    def test_actions_are_no_hits(self) -> None:
        for kind in Message.ACTIONS:
            self.say("action", kind=kind)
        self.assert_finds_nothing("action", "-foo")

    def test_an_unchanged_row_is_no_work(self) -> None:
        message = self.say("hello")
        assert search.catch_up() == 1
        message.save()
        assert search.catch_up() == 0

    def test_more_than_one_batch(self) -> None:
        message = self.say("word 0")
        values = {field.attname: getattr(message, field.attname) for field in Message._meta.fields}
        rows = [Message(**{**values, "id": None}) for _ in range(1_200)]
        for number, row in enumerate(rows):
            row.message_id = f"bulk{number}"
        Message.objects.bulk_create(rows)
        assert search.catch_up(batches=1) == BATCH
        assert search.catch_up() == 201
        assert self.stored() == 1_201

    def test_very_many_changes_of_one_message(self) -> None:
        message = self.say("word 0")
        for number in range(600):
            Message.objects.filter(pk=message.pk).update(text=f"word {number}")
        self.say("the last")

        search.catch_up()
        self.assert_finds("the last", "last")

    def test_a_change_noted_across_two_batches_of_what_is_at_hand(self) -> None:
        # Its old key ends one batch, its new key begins the next: once in each, as if it were as it was inserted.
        message = self.say("before")
        search.catch_up()
        stored = [message, *(self.say(f"filler {number}") for number in range(BATCH - 1))]
        Message.objects.filter(pk=message.pk).update(text="after")
        assert search.catch_up(stored) == BATCH + 1
        self.assert_finds("after", "after")
        self.assert_finds_nothing("before")

    def test_a_name_that_is_learnt_after_the_message(self) -> None:
        """Was red: what history brought without names was never found by its sender's."""
        Contact.objects.create(instance=self.shop, jid=ANA)
        self.say("in the chat")
        self.say("in the group", chat=SALES, sender=ANA)
        self.assert_finds_nothing("ana", "from:ana", "in:ana")
        take_in(self.shop, [PersonKnown(Party(ANA), "Ana")], live=False)
        assert self.found("ana") == self.found("from:ana") == ["in the group", "in the chat"]
        self.assert_finds("in the chat", "in:ana")

    def test_a_name_that_is_learnt_now(self) -> None:
        Contact.objects.create(instance=self.shop, jid=ANA)
        self.say("long ago")
        live = MessageArrived("3EB0", Party(ANA), Party(ANA), False, False, timezone.now(), "text", "now", "Ana")
        take_in(self.shop, [live])
        assert self.found("ana") == ["now", "long ago"]

    def test_a_name_that_came_by_a_person_s_other_name(self) -> None:
        """Was red: the contact had one from then on, and nobody noted what had come without it."""
        for live in (False, True):
            Contact.objects.all().delete()
            Contact.objects.create(instance=self.shop, jid=ANA)
            Contact.objects.create(instance=self.shop, jid="1234@lid", lid="1234@lid", push_name=f"Ana{live}")
            self.say(f"long ago {live}")
            self.assert_finds_nothing(f"ana{live}")
            take_in(self.shop, [PersonKnown(Party(ANA, "1234@lid"))], live=live)
            assert f"long ago {live}" in self.found(f"ana{live}")

    def test_what_the_phone_calls_people(self) -> None:
        Contact.objects.create(instance=self.shop, jid=ANA)
        self.say("hello")
        take_in(self.shop, [PersonKnown(Party(ANA), name="Ána the plumber")], live=False)
        self.assert_finds("hello", "plumber", "from:plumber", "from:ana", "in:plumber")

    def test_a_rebuild(self) -> None:
        self.say("hello")
        self.found("hello")
        backend().remove(key_of(at, pk) for at, pk in Message.objects.values_list("sent_at", "pk"))
        self.assert_finds_nothing("hello")
        assert search.rebuild() == 1
        self.assert_finds("hello", "hello")

    def test_a_very_long_message(self) -> None:
        self.say("first " + " ".join(f"w{number:05}" for number in range(9_000)) + " last")
        self.say("字" * 30_000 + "尾")
        assert len(self.found("w00000 w08999 last")) == 1
        assert len(self.found("字字")) == 1

    def test_odd_times_have_the_same_key_in_python_and_in_the_database(self) -> None:
        for days, microsecond in ((0, 999_999), (-10_000, 999_500), (30_000, 1), (90_000, 500_000)):
            text = f"odd{abs(days)}"
            self.say(text, sent_at=(START + timedelta(days=days)).replace(microsecond=microsecond))
            self.assert_finds(text, text)

    def stored(self) -> int:
        search.catch_up()
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                # Raises when its lists do not fit together; to count what is in them it needs a word.
                cursor.execute("INSERT INTO chats_search (chats_search) VALUES ('integrity-check')")
            cursor.execute(f"SELECT count(*) FROM chats_search{'document' * (connection.vendor == 'sqlite')}")
            return int(cursor.fetchone()[0])

    def test_the_triggers_are_there(self) -> None:
        """A migration that rebuilds the messages' table on SQLite loses them: it must run schema.install after."""
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'chats_message'")
            else:
                cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'chats_search%'")
            names = {row[0] for row in cursor.fetchall()}
        assert {"chats_search_added", "chats_search_changed", "chats_search_removed"} <= names


class Retention(SearchTestCase):
    def test_it_works(self) -> None:
        now = timezone.now()
        self.say("word old", sent_at=now - timedelta(days=31))
        self.say("word new", sent_at=now - timedelta(days=29))
        self.say("word old", sent_at=now - timedelta(days=31), instance=self.desk)
        self.shop.keep_days = 30
        self.shop.save()
        assert search.forget_old() == 1
        assert self.found("word", self.shop, self.desk) == ["word new", "word old"]
        assert search.forget_old() == 0

    def test_without_a_limit_everything_is_kept(self) -> None:
        self.say("word", sent_at=timezone.now() - timedelta(days=9_000))
        assert search.forget_old() == 0

    def test_a_limit_that_is_none(self) -> None:
        """Was red: 0 deleted everything within a minute, and 740,000 days were an error that held up all others."""
        self.say("word", sent_at=timezone.now() - timedelta(days=9_000))
        self.say("word", sent_at=timezone.now() - timedelta(days=31), instance=self.desk)
        Instance.objects.filter(pk=self.desk.pk).update(keep_days=30)
        for days in (0, MOST_KEEP_DAYS + 1, 740_000, 2_147_483_647):
            Instance.objects.filter(pk=self.shop.pk).update(keep_days=days)
            assert search.forget_old() == (1 if days == 0 else 0), "the desk's alone"
            assert self.found("word", self.shop, self.desk) == ["word"]

    def test_the_longest_and_the_shortest_limit(self) -> None:
        self.say("word", sent_at=timezone.now() - timedelta(hours=25))
        Instance.objects.filter(pk=self.shop.pk).update(keep_days=MOST_KEEP_DAYS)
        assert search.forget_old() == 0
        Instance.objects.filter(pk=self.shop.pk).update(keep_days=1)
        assert search.forget_old() == 1

    def test_how_many_would_go(self) -> None:
        now = timezone.now()
        for days in (10, 31, 32):
            self.say("word", sent_at=now - timedelta(days=days, hours=1))
        self.say("word", sent_at=now - timedelta(days=31), instance=self.desk)
        assert [count_older(self.shop, days) for days in (9, 30, 32, 90)] == [3, 2, 1, 0]
        with patch.object(retention, "COUNTED", 1):
            assert count_older(self.shop, 9) == 2

    def test_in_batches(self) -> None:
        for _ in range(5):
            self.say("word", sent_at=timezone.now() - timedelta(days=31))
        self.shop.keep_days = 30
        self.shop.save()
        assert search.forget_old(limit=3) == 3
        assert search.forget_old(limit=3) == 2
        self.assert_finds_nothing("word")
