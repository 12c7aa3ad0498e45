"""Rules on the pages: the form, the preview, on and off, what was found."""

from datetime import timedelta
from typing import Any
from unittest import mock

from django.utils import timezone

from chats.errands.batch import By
from chats.models import Chat, Contact, Message, Rule, RuleHit
from chats.rules import manage
from chats.rules.manage import Wanted
from tests.page_base import PageTestCase

ANA = "5511999999999@s.whatsapp.net"


class RulePageTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.message = self.make_message("A")
        Message.objects.update(sent_at=timezone.now())
        self.message.chat.last_message_at = timezone.now()
        self.message.chat.save()
        self.form = f"/pins/rules/{self.shop.uid}/add/"

    def add(self, who: str = "bob", **form: Any) -> Any:
        form = {"name": "Greetings", "trigger": "message", "words": "hello", "duration": "7d", "an_hour": "5", **form}
        return self.send(who, self.form, **form)

    def made(self, **wanted: Any) -> Rule:
        fit = {"name": "R", "trigger": "message", "words": "hello", "duration": 86_400, **wanted}
        return manage.add(self.shop, Wanted(**fit), By(user=self.people["bob"]))

    def test_it_works(self) -> None:
        Contact.objects.create(instance=self.shop, jid=ANA, push_name="Ana Souza")
        answer = self.add(people="ana souza, +55 11 98888-7777", chat=ANA, me="1")
        rule = Rule.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, f"/pins/rules/{rule.uid}/")
        assert (rule.people, rule.an_hour, rule.active) == ([ANA, "5511988887777@s.whatsapp.net", "me"], 5, False)
        page = self.open("bob", answer["Location"]).content.decode()
        assert "Messages of Ana Souza, +5511988887777, ourselves with “hello”, in " in page
        assert "One message of the last 30 days." in page
        assert "Hello" in page
        assert "Greetings" in self.open("vera", "/pins/rules/").content.decode()

    def test_people_by_the_names_that_pages_show(self) -> None:
        """Was red: only what somebody calls themselves was known, and on SQLite "ângela" was not "Ângela"."""
        other, third = "5511977777777@s.whatsapp.net", "5511966666666@s.whatsapp.net"
        Contact.objects.create(instance=self.shop, jid=ANA, name="Ângela Souza", push_name="gel")
        Contact.objects.create(instance=self.shop, jid=other, name="Gel")
        Contact.objects.create(instance=self.shop, jid=third, push_name="Íris")
        for said, meant in (("ângela souza", ANA), ("Gel", other), ("GEL", other), ("íris", third)):
            Rule.objects.all().delete()
            assert self.add(people=said).status_code == 302, said
            assert Rule.objects.get().people == [meant]
        Rule.objects.update(people=[ANA])
        assert "Messages of Ângela Souza with" in self.open("bob", "/pins/rules/").content.decode()
        Contact.objects.filter(jid=other).update(name="Ângela Souza")
        assert self.add(people="Ângela Souza").status_code == 400, "which of them?"
        Contact.objects.filter(jid=other).update(name="Olga")
        Rule.objects.all().delete()
        self.add(people="gel")
        assert Rule.objects.get().people == [ANA], "as she calls herself"

    def test_what_is_wrong_is_said_and_the_form_keeps_what_was_chosen(self) -> None:
        for form, words in (
            ({"name": " "}, "Give the rule a name"),
            # The next four were red: the page said it as REST does, with the names of its fields.
            ({"trigger": "magic"}, "Choose what sets the rule off."),
            ({"people": ", ".join(f"+55 11 9{number:08}" for number in range(51))}, "Name up to 50 people."),
            ({"chat": "5511000000000"}, "Choose one of the chats"),
            ({"words": "x" * 101}, "The words may have up to 100 characters."),
            ({"words": ""}, "Say which words, or who writes."),
            ({"trigger": "hashtag", "words": "a b"}, "Write one hashtag."),
            ({"trigger": "reaction", "words": "x"}, "Write one emoji."),
            ({"trigger": "reaction", "words": "📌"}, "Say who may pin by a reaction."),
            ({"people": "Nobody Known"}, "Write people as phone numbers"),
            ({"an_hour": "0"}, "Choose a limit"),
        ):
            answer = self.add(**form)
            assert (answer.status_code, words in answer.content.decode()) == (400, True), form
        page = self.add(trigger="reaction", words="", duration="30d", chat=ANA).content.decode()
        for chosen in ("reaction", "30d", ANA):
            assert f'<option value="{chosen}" selected>' in page
        assert not Rule.objects.exists()

    def test_any_chat_may_be_chosen(self) -> None:
        """Was red: of the 200 that were written in last."""
        old = self.make_message("B", chat="5511888880001@s.whatsapp.net").chat
        Chat.objects.filter(pk=old.pk).update(name="Ângela", last_message_at=timezone.now() - timedelta(days=900))
        option = f'<option value="{old.jid}"'
        with mock.patch("chats.selectors.rules.CHATS", 1):
            page = self.open("bob", self.form).content.decode()
            assert (option in page, "Find a chat" in page) == (False, True)
            for text in ("ângela", "+55 11 88888"):
                page = self.open("bob", self.form, filter=text, chat=ANA).content.decode()
                assert f"{option}>" in page, text
                assert f'<option value="{ANA}" selected>' in page, "what was chosen stays"
            # And where something else in the form is wrong.
            assert f"{option} selected>" in self.add(name=" ", chat=old.jid).content.decode()
            self.add(chat=old.jid)
        assert Rule.objects.get().chat == old
        assert "Find a chat" not in self.open("bob", self.form).content.decode()

    def test_that_it_found_more_is_said(self) -> None:
        rule = self.made(trigger="reaction", words="📌", people=("me",))
        for name in ("A", "B"):
            RuleHit.objects.create(rule=rule, instance=self.shop, called=name, state="skipped", at=timezone.now())
        for most, more in ((1, True), (2, False)):
            with mock.patch("chats.selectors.rules.HITS", most):
                page = self.open("vera", f"/pins/rules/{rule.uid}/").content.decode()
            assert (page.count('<li class="plan skipped'), "There are more" in page) == (most, more)

    def test_on_off_and_away(self) -> None:
        rule = self.made()
        path = f"/pins/rules/{rule.uid}/"
        assert "Switch on" in self.open("bob", path).content.decode()
        self.send("bob", f"{path}switch/", active="1")
        assert Rule.objects.get().active
        page = self.open("bob", path).content.decode()
        assert ("Switch off" in page, "What it would have pinned" in page) == (True, False)
        self.send("bob", f"{path}switch/", active="0")
        assert not Rule.objects.get().active
        assert self.send("bob", f"{path}delete/")["Location"] == "/pins/rules/"
        assert not Rule.objects.exists()

    def test_only_who_may_pin_may_change(self) -> None:
        rule = self.made()
        path = f"/pins/rules/{rule.uid}/"
        assert "Switch on" not in self.open("vera", path).content.decode()
        assert "New rule" not in self.open("vera", "/pins/rules/").content.decode()
        for who, status in (("vera", 403), ("charlie", 404)):
            for what in ("switch", "delete"):
                assert self.send(who, f"{path}{what}/", active="1").status_code == status
            assert self.add(who).status_code == status
        assert (Rule.objects.count(), Rule.objects.get().active) == (1, False)
        assert "No rules yet" in self.open("charlie", "/pins/rules/").content.decode()

    def test_a_limit_that_is_too_low_is_shown_beforehand(self) -> None:
        self.make_message("B")
        Message.objects.update(sent_at=timezone.now().replace(minute=5))
        assert "only 1 of them" in self.open("bob", f"/pins/rules/{self.made(an_hour=1).uid}/").content.decode()

    def test_what_it_found(self) -> None:
        rule = self.made(trigger="reaction", words="📌", people=("me",))
        RuleHit.objects.create(
            rule=rule, instance=self.shop, message=self.message, called="A", state="skipped",
            detail="The rule's limit an hour was reached.", at=timezone.now(),
        )  # fmt: skip
        page = self.open("vera", f"/pins/rules/{rule.uid}/").content.decode()
        assert "limit an hour was reached" in page
        assert "Messages that get 📌 from ourselves" in page
