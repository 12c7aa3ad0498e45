"""The chats' pages."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chats.models import Chat, Message, Pin, Rule
from chats.pinbook import Asker
from chats.schedule import wish
from chats.selectors import conversation
from chats.selectors.places import Place
from chats.templatetags.chat_tags import day_words
from instances import tokens
from instances.models import Account, Instance, Token
from instances.states import State
from portal.templatetags.portal_tags import colour
from tests.page_base import PageTestCase

KINDS = {
    "image": "Photo", "video": "Video", "audio": "Audio", "voice": "Voice message", "document": "invoice.pdf",
    "sticker": "Sticker", "contact": "Contact", "location": "Location", "poll": "Poll", "event": "Event",
    "unreadable": "could not be decrypted", "other": "of a kind the portal cannot show",
}  # fmt: skip


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
        parts = [f"{chat}{part}" for part in (f"?at={message.pk}", "pinned/", "details/", "state/", "rows/?newer=0.0")]
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

    def test_a_chat_says_that_its_instance_is_off_the_air(self) -> None:
        """Was red: with a number logged out the messages just stopped."""
        chat, instance = f"/chats/{self.make_message('A').chat_id}/", f"/instances/{self.shop.uid}/"
        for state, words in (
            (State.LOGGED_OUT, "The phone unlinked this device."),
            (State.UNPLACED, "No connector is running that can hold this instance."),
            (State.CONNECTED, ""),
        ):
            Instance.objects.filter(pk=self.shop.pk).update(state=state, state_detail="401" if words else "")
            for path in (chat, f"{chat}state/"):
                page = self.open("vera", path).content.decode()
                assert f'class="state-dot {state}"' in page
                assert words in page
                assert (f'<a href="{instance}">Open the instance' in page, "(401)" in page) == (bool(words),) * 2
        # Whoever sees the chat has that page.
        assert self.open("vera", instance).status_code == 200

    def test_the_filter_offers_so_many_instances_and_the_chosen_one(self) -> None:
        """Was red: with the others the list was filtered, and the filter said "All instances"."""
        self.make_message("A")
        Instance.objects.create(account=self.alice_account, name="attic")
        last = f'<option value="{self.shop.uid}" '
        for most, chosen, said in ((2, "", (False, True)), (2, self.shop.uid, (True, True)), (3, "", (True, False))):
            with mock.patch("chats.views.chats.INSTANCES", most):
                page = self.open("alice", "/chats/", instance=chosen).content.decode()
            assert (last in page, "There are more" in page) == said
            assert (f"{last}selected" in page) == bool(chosen)

    def test_the_search_says_that_there_are_more_instances(self) -> None:
        for most, more in ((1, True), (2, False)):
            with mock.patch("chats.views.search.INSTANCES", most):
                page = self.open("alice", "/search/?q=hello").content.decode()
            assert ("type instance:name" in page, '"/search/?q=hello+instance%3A"' in page) == (more, more)
        assert self.open("alice", "/search/?q=hello+instance%3A").status_code == 200

    def test_a_list_that_has_grown_is_drawn_as_far_as_it_has(self) -> None:
        """Was red: with any news its reader was back at its first page."""
        for number in range(25):
            message = self.make_message(f"M{number}", chat=f"55119{number:08}@s.whatsapp.net")
            Chat.objects.filter(pk=message.chat_id).update(last_message_at=message.sent_at)
        for rows, drawn in (("", 18), ("3", 18), ("x", 18), ("-1", 18), ("20", 20), ("9" * 30, 18), ("999", 25)):
            page = self.open("bob", "/chats/list/", fragment=True, rows=rows).content.decode()
            assert (page.count('class="chat-row'), "before=" in page) == (drawn, drawn < 25), rows
        with mock.patch("portal.views.typed.ROWS", 22):
            page = self.open("bob", "/chats/list/", fragment=True, rows="999").content.decode()
        assert page.count('class="chat-row') == 22, "nobody asks for thousands"

    def test_what_is_found_by_a_name_does_not_depend_on_its_case(self) -> None:
        """Was red on SQLite, which knows the case of ASCII's letters alone."""
        message = self.make_message("A")
        Chat.objects.update(name="Ângela", last_message_at=message.sent_at)
        type(message).objects.update(text="ÀS TRÊS")
        type(self.shop).objects.filter(pk=self.shop.pk).update(name="Açaí")
        ends = timezone.now() + timedelta(days=1)
        Pin.objects.create(message=message, state=Pin.State.PINNED, expires_at=ends, actor="Íris")
        for path, texts in (
            ("/chats/list/?filter=", ("ângela", "ÂNGELA", "nGeL")),
            ("/pins/?filter=", ("ângela", "às três", "AÇAÍ", "íris")),
            ("/instances/?q=", ("AÇAÍ", "aça")),
        ):
            for text in texts:
                assert "data-item" in self.open("bob", f"{path}{text}", fragment=True).content.decode(), text
            assert "data-item" not in self.open("bob", f"{path}ç%25", fragment=True).content.decode()


class ConversationTest(PageTestCase):
    """What stands with a message."""

    def setUp(self) -> None:
        super().setUp()
        self.first = self.make_message("A")
        self.chat = self.first.chat

    def say(self, message_id: str, minutes: int, text: str = "", **more: Any) -> Message:
        """Another message of the same chat."""
        row = {"sender": self.chat.jid, "from_me": False, "kind": "text", **more}
        at = self.first.sent_at + timedelta(minutes=minutes)
        message = Message.objects.create(
            instance=self.shop, chat=self.chat, message_id=message_id, sent_at=at, text=text,
            wire_chat=self.chat.jid, wire_sender=self.chat.jid, **row,
        )  # fmt: skip
        Chat.objects.filter(pk=self.chat.pk).update(last_message_at=at)
        return message

    def page(self, **data: Any) -> str:
        return str(self.open("bob", f"/chats/{self.chat.pk}/", **data).content.decode())

    def test_the_last_reaction_of_each_person_counts(self) -> None:
        self.say("R1", 1, "👍", kind="reaction", target_id="A")
        self.say("R2", 2, "❤️", kind="reaction", target_id="A")
        page = self.page()
        assert "❤️" in page
        assert "👍" not in page

    def test_a_reaction_taken_back_is_gone(self) -> None:
        self.say("R1", 1, "👍", kind="reaction", target_id="A")
        self.say("R2", 2, "", kind="reaction", target_id="A")
        assert "👍" not in self.page()

    def test_quoted_edited_deleted(self) -> None:
        self.say("B", 1, "an answer", quoted_id="A")
        self.say("C", 2, "mended", edited_at=self.first.sent_at)
        self.say("D", 3, "never to be read again", deleted_at=self.first.sent_at)
        page = self.page()
        assert f'data-jump="m-{self.first.pk}"' in page
        assert "edited" in page
        assert "This message was deleted" in page
        assert "never to be read again" not in page

    def test_what_is_quoted_is_not_what_somebody_wrote_under_its_id(self) -> None:
        """In whichever order the database gives the two."""
        other = "5511999990077@s.whatsapp.net"
        copies = [self.say("A", 1, "a copier's words", sender=other), self.say("Q", 3, "another's", sender=other)]
        meant = [self.first, self.say("Q", 2, "what was meant")]
        for number, message_id in enumerate("AQ"):
            self.say(f"B{number}", 4, "an answer", quoted_id=message_id)
        page = self.page()
        assert all(f'data-jump="m-{one.pk}"' in page for one in meant)
        assert not any(f'data-jump="m-{one.pk}"' in page for one in copies)

    def test_each_kind_is_shown_as_what_it_is(self) -> None:
        for number, (kind, words) in enumerate(KINDS.items()):
            data = {"fileName": "invoice.pdf"} if kind == "document" else {}
            self.say(f"K{number}", 1 + number, kind=kind, data=data)
            row = self.row(f"K{number}")
            assert words in row, kind
            assert all(other not in row for other in KINDS.values() if other != words), kind

    def test_in_a_group_each_writer_has_a_name_and_a_colour(self) -> None:
        Chat.objects.filter(pk=self.chat.pk).update(kind="group", jid="120363000000000001@g.us", name="Deliveries")
        for number, (jid, name) in enumerate((("55111@s.whatsapp.net", "Ana"), ("55112@s.whatsapp.net", "Bruno"))):
            self.say(f"G{number}", 10 * (number + 1), "hello", sender=jid, sender_name=name)
            assert f'<p class="sender {colour(jid)}">{name}</p>' in self.row(f"G{number}")
        assert colour("55111@s.whatsapp.net") != colour("55112@s.whatsapp.net")
        self.say("MINE", 30, "hello", from_me=True)
        assert 'class="sender' not in self.row("MINE")
        assert "<bdi>shop</bdi> · Group" in self.page(), "and not its id, which is nothing to read"

    def test_times_and_days_are_those_of_the_readers_zone(self) -> None:
        at = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
        Message.objects.filter(pk=self.first.pk).update(sent_at=at)
        for zone, time, day in (("UTC", "01:30", "1 Mar 2026"), ("America/Sao_Paulo", "22:30", "28 Feb 2026")):
            self.client.cookies["tz"] = zone
            row = self.row("A")
            assert f">{time}</time>" in row, zone
            assert f"<span>{day}</span>" in row, zone

    def test_days_near_by_have_names(self) -> None:
        today = timezone.localdate()
        words = [day_words(today + timedelta(days=days)) for days in (-1, 0, 1, 7)]
        assert words == ["Yesterday", "Today", "Tomorrow", f"{today + timedelta(days=7):%-d %b %Y}"]

    def row(self, message_id: str) -> str:
        """One message as it stands on the page."""
        key = Message.objects.get(message_id=message_id).pk
        return self.page().partition(f'<li id="m-{key}"')[2].partition("<li id=")[0]

    def test_what_others_wrote_is_no_markup(self) -> None:
        self.say("B", 1, "<script>alert(1)</script> https://example.com/<b>")
        assert "<script>alert" not in self.page()
        assert "<b>" not in self.page().split("example.com")[1][:80]

    def test_one_day_one_heading(self) -> None:
        self.say("B", 1, "the same day")
        self.say("C", 60 * 24, "the next")
        assert self.page().count('<p class="day"') == 2

    def test_older_and_newer_join_without_gap_or_overlap(self) -> None:
        made = [self.first, *(self.say(f"M{number}", number // 3, f"number {number}") for number in range(100))]
        stretch = conversation.latest(self.chat, 30)
        rows = stretch.rows
        while stretch.older:
            stretch = conversation.older_than(self.chat, stretch.older, 30)
            rows = stretch.rows + rows
        assert [row.message.pk for row in rows] == [message.pk for message in made]
        middle = conversation.around(self.chat, Place(made[50].sent_at, made[50].pk), 20)
        assert middle.older is not None
        assert middle.newer is not None
        after = conversation.newer_than(self.chat, middle.newer, 20)
        assert after.rows[0].message.pk == made[made.index(middle.rows[-1].message) + 1].pk

    def test_it_opens_at_a_message(self) -> None:
        for number in range(100):
            self.say(f"M{number}", number, f"number {number}")
        page = self.page(at=self.first.pk)
        assert f'data-anchor="m-{self.first.pk}"' in page
        assert 'data-more="newer"' in page
        assert "number 99" not in page.split('id="thread"')[1]

    def test_a_link_to_what_is_gone_says_so(self) -> None:
        assert "no longer here" in self.page(at=999_999)

    def test_unread_until_somebody_who_answers_looks(self) -> None:
        Chat.objects.filter(pk=self.chat.pk).update(created_at=self.first.sent_at)
        self.say("B", 1, "new")
        assert 'class="unread"' in self.open("vera", "/chats/list/").content.decode()
        self.open("vera", f"/chats/{self.chat.pk}/")
        assert 'class="unread"' in self.open("vera", "/chats/list/").content.decode()
        self.page()
        assert 'class="unread"' not in self.open("vera", "/chats/list/").content.decode()

    def test_rows_of_news_are_those_of_this_chat(self) -> None:
        other = self.make_message("X", chat="5511888888888@s.whatsapp.net")
        reaction = self.say("R", 1, "👍", kind="reaction", target_id="A")
        answer = self.open("bob", f"/chats/{self.chat.pk}/rows/", news=f"{reaction.pk},{other.pk}").content.decode()
        assert f'id="m-{self.first.pk}"' in answer
        assert f'id="m-{other.pk}"' not in answer

    def test_at_most_twelve_queries(self) -> None:
        for number in range(60):
            self.say(f"M{number}", number, "words", quoted_id="A" if number % 9 == 0 else "")
        self.become("bob")
        for path in (
            f"/chats/{self.chat.pk}/",
            f"/chats/{self.chat.pk}/?at={self.first.pk}",
            "/chats/",
            "/search/?q=words",
            # What finds nothing is looked for under other spellings.
            "/search/?q=wards",
            "/search/?q=many+wards+from:999999",
        ):
            with CaptureQueriesContext(connection) as queries:
                self.client.get(path)
            assert len(queries) <= 12, (path, [query["sql"][:120] for query in queries])


class AdministrationTest(PageTestCase):
    def test_it_works(self) -> None:
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
        answer = self.send("alice", "/admin/instances/token/add/", scope="full", **data)
        self.assertContains(answer, "wap_")
        self.assertNotContains(self.open("alice", "/admin/instances/token/"), 'id="secret"')

    def test_tokens_are_told_apart_revoked_and_the_audit_is_searched(self) -> None:
        Token.objects.filter(pk=self.alice_token.pk).update(label="CRM", last_used_at=timezone.now())
        page = self.open("alice", "/admin/instances/token/").content.decode()
        assert "CRM" in page
        assert timezone.localtime().strftime("%Y, ") in page, "when it was used last"
        self.send("alice", "/admin/instances/token/", action="revoke", _selected_action=self.alice_token.pk)
        self.alice_token.refresh_from_db()
        assert self.alice_token.revoked_at is not None
        assert "token revoked" in self.results("alice", "token revoked")
        assert "token revoked" not in self.results("alice", "zeppelin")
        assert "token revoked" not in self.results("charlie", "token revoked")

    def test_what_goes_on_without_a_revoked_token_is_told(self) -> None:
        successor, _secret = tokens.rotate(self.alice_token, timedelta(hours=1))
        message, week = self.make_message("A"), timezone.now() + timedelta(days=7)
        wish.make(message, wish.Wanted(pin_at=week, duration=86_400), Asker("CRM", self.alice_token))
        wish.make(message, wish.Wanted(pin_at=week, duration=604_800), Asker("CRM", successor))
        Rule.objects.create(instance=self.shop, name="R", trigger="message", words="x", token=successor, active=True)
        said = self.send("alice", "/admin/instances/token/", action="revoke", _selected_action=self.alice_token.pk)
        self.assertContains(self.open("alice", said["Location"]), "Plans: 2, which can be cancelled")

    def test_an_account_is_not_deleted_before_its_instances(self) -> None:
        """Was red: their rows were gone, their phones stayed linked, and the keys to them on the disk."""
        # Those that are there stop it too, with another reason: nobody may delete them.
        Token.objects.all().delete()
        self.shop.jid = "5511900000001@s.whatsapp.net"
        self.shop.save()
        account = Account.objects.get(pk=self.alice_account.pk)
        for words in ("Delete each on its own page first", "Try again in a few minutes"):
            for answer in (self.delete(account), self.delete_ticked(account)):
                self.assertContains(answer, words)
                self.assertContains(answer, "Alice &amp; Bob")
                assert Instance.every.filter(account=account).count() == 2
            # From then on what is stored of them is being removed.
            Instance.objects.filter(account=account).update(going_at=timezone.now(), jid="")
        Instance.every.filter(account=account).delete()
        assert self.delete(account).status_code == 302
        assert not Account.objects.filter(pk=account.pk).exists()
        empty = Account.objects.create(name="Empty")
        assert self.delete_ticked(empty).status_code == 302
        assert not Account.objects.filter(pk=empty.pk).exists()

    def delete(self, account: Account) -> Any:
        return self.send("root", f"/admin/instances/account/{account.pk}/delete/", post="yes")

    def delete_ticked(self, account: Account) -> Any:
        form = {"action": "delete_selected", "_selected_action": account.pk, "post": "yes"}
        return self.send("root", "/admin/instances/account/", **form)

    def results(self, who: str, words: str) -> str:
        """The lines that the audit's search finds."""
        page = self.open(who, "/admin/portal/auditline/", q=words).content.decode()
        return page[page.index("<tbody") :] if "<tbody" in page else ""
