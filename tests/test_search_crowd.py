"""Names that many bear: all of them are meant, by the index or, when they are too many for it, by the rows."""

import random
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from unittest.mock import patch

from chats import search
from chats.models import Chat, Contact, Message, Pin
from chats.search import crowd, planning
from tests.test_search_base import ANA, START, SearchTestCase

OWN = "5511800000000@s.whatsapp.net"


def no_marks() -> AbstractContextManager[object]:
    """Every name is a crowd."""
    return patch.multiple(planning, MAX_MARKS=0, MAX_EXCLUDED=0, FEW_MARKS=0)


def number(of: int) -> str:
    """A phone number's JID."""
    return f"55119{of:08}@s.whatsapp.net"


class Names(SearchTestCase):
    def known(self, *names: str) -> list[str]:
        """A contact, a chat by the same name and a message of each; their JIDs."""
        there = [number(place) for place in range(len(names))]
        for jid, name in zip(there, names, strict=True):
            Contact.objects.create(instance=self.shop, jid=jid, push_name=name)
            self.say(name, chat=jid)
        for jid, name in zip(there, names, strict=True):
            Chat.objects.filter(jid=jid).update(name=name)
        return there

    def test_accents_do_not_matter_even_where_somebody_is_called_exactly_so(self) -> None:
        self.known("jose", "José", "JOSÉ Silva", "Ana")
        for name in ("jose", "José", "JOSE", "josé"):
            for query in (f"from:{name}", f"in:{name}"):
                assert self.found(query) == ["JOSÉ Silva", "José", "jose"], query
            self.assert_finds("Ana", f"-from:{name}", f"-in:{name}")

    def test_other_alphabets(self) -> None:
        self.known("Жанна", "ЖАННА Мария", "Joanna", "李娜", "Ёлка", "ﾃｽﾄ")
        assert self.found("from:жанна") == ["ЖАННА Мария", "Жанна"]
        self.assert_finds("李娜", "from:李", "in:李娜")
        self.assert_finds("Ёлка", "from:елка")
        self.assert_finds("ﾃｽﾄ", "from:テスト")
        self.assert_finds("Joanna", "from:anna")

    def test_signs_mean_themselves(self) -> None:
        self.known("100% Ana", "a_b", "Ana")
        self.assert_finds("100% Ana", "from:%", "in:0%")
        self.assert_finds("a_b", "from:_", "in:_")
        self.assert_finds_nothing("from:*", "in:\\", "from:\u0301", "in:\ufe0f")

    def test_all_of_many(self) -> None:
        self.known(*(f"Mariana {place}" for place in range(120)), "Zoë", "Ana")
        with patch.multiple(planning, MAX_MARKS=500, MAX_EXCLUDED=500):
            self.all_of_many()
        with patch.object(planning, "MAX_MARKS", 100):
            self.all_of_many()

    def all_of_many(self) -> None:
        for query in ("from:ana", "in:ana", "from:5511900", "in:5511900"):
            assert len(self.page(query, limit=500).hits) >= 121, query
        for query in ("-from:ana", "-in:ana"):
            self.assert_finds("Zoë", query, f"{query} type:text", f"type:text zoe {query}")
        self.assert_finds("Ana", "from:ana -mariana", "in:ana from:ana -mariana")
        self.assert_finds("Mariana 7", "from:ana 7", "7 in:ana from:ana", "mariana 7 5511900")
        self.assert_finds_nothing("from:ana is:pinned", "from:ana in:zoe", "ana -from:ana", "mariana 7 -5511900")

    def test_more_than_one_instance_and_never_another_account_s(self) -> None:
        for instance in (self.shop, self.desk, self.stall):
            self.say(instance.name, instance=instance, chat=ANA)
            Contact.objects.create(instance=instance, jid=ANA, push_name="Ana")
            Chat.objects.filter(instance=instance).update(name="Ana")
        for marks in (nullcontext(), no_marks()):
            with marks:
                for query in ("from:ana", "in:ana", "5511987654321"):
                    assert self.found(query, self.shop, self.desk) == ["desk", "shop"]
                    assert self.found(query + " instance:desk", self.shop, self.desk) == ["desk"]
                assert self.found("-from:ana", self.shop, self.desk) == []


class Crowds(SearchTestCase):
    """Any search answers the same whether the index or the rows are asked, and as a plain loop does."""

    rows: list[Message]

    @classmethod
    def setUpTestData(cls) -> None:
        super().setUpTestData()
        rng = random.Random(7)
        names = ["Ana", "Juliana", "Zoe", "Mário", "Mariana", "Otto"]
        chats = []
        for place, name in enumerate(names):
            Contact.objects.create(instance=cls.shop, jid=number(place), push_name=name)
            chats.append(Chat.objects.create(instance=cls.shop, jid=number(place), kind="direct", name=name))
        for at in range(300):
            chat, mine = rng.choice(chats), rng.random() < 0.3
            Message.objects.create(
                instance=cls.shop, chat=chat, sender=OWN if mine else chat.jid, from_me=mine,
                message_id=f"3EB0CROWD{at:07}", sent_at=START + timedelta(minutes=rng.randrange(10**5)),
                kind=rng.choice(["text", "text", "image"]), wire_chat=chat.jid, wire_sender=chat.jid,
                text=rng.choice(["some", "often some", "seldom", number(0)[:13]]),
            )  # fmt: skip
        search.catch_up()
        cls.rows = list(Message.objects.order_by("-sent_at", "-pk").select_related("chat"))

    def right(self, query: search.Query) -> list[int]:
        return [row.pk for row in self.rows if self.fits(row, query)]

    def fits(self, row: Message, query: search.Query) -> bool:
        names = {chat.jid: chat.name.lower().replace("á", "a") for chat in Chat.objects.all()} | {OWN: ""}

        def among(wanted: list[str], name: str) -> bool:
            return any(value in name for value in wanted)

        def term(text: str) -> bool:
            by_number = text.isdigit() and any(jid.startswith(text) for jid in (row.sender, row.chat.jid))
            return by_number or text in row.text.split()

        groups = {"in": names[row.chat.jid], "from": names[row.sender], "type": row.kind}
        for name, value in groups.items():
            if (wanted := query.values(name)) and not among(wanted, value):
                return False
            if among(query.values(name, excluded=True), value):
                return False
        if query.values("is") and not row.from_me:
            return False
        return all(term(each.text) != each.excluded for each in query.terms)

    def test_it_works(self) -> None:
        self.compare(rounds=20)

    def test_by_the_rows(self) -> None:
        with no_marks():
            self.compare(rounds=25)

    def test_by_the_rows_in_small_portions(self) -> None:
        with no_marks():
            with patch.multiple(crowd, PORTION=7, LOOKED_AT=11):
                self.compare(rounds=25)
            with (
                patch.multiple(crowd, PORTION=7, LOOKED_AT=11),
                patch.object(planning, "_is_narrow", return_value=False),
            ):
                self.compare(rounds=25)

    def compare(self, rounds: int) -> None:
        rng = random.Random(rounds)
        names = ["ana", "juliana", "zoe", "mario", "mari", "o", "nobody"]
        for _ in range(rounds):
            parts = [
                rng.choice(["from:", "in:", "-from:", "-in:"]) + rng.choice(names) for _ in range(rng.choice((1, 2, 3)))
            ]
            parts += rng.sample(
                ["some", "-often", "type:image", "-type:image", "is:mine", number(0)[:13], "-5511900"], 1
            )
            query = search.parse(" ".join(parts))
            right = self.right(query)
            assert self.pages(query, rng.choice((5, 50, 400))) == right, str(query)
            walked = [message.pk for batch in search.walk([self.shop.pk], query) for message in batch]
            assert walked == right, str(query)
            assert search.count([self.shop.pk], query) == len(right), str(query)

    def pages(self, query: search.Query, limit: int) -> list[int]:
        found: list[int] = []
        before = None
        while True:
            page = search.search([self.shop.pk], query, before, limit)
            assert len(page.hits) <= limit
            found += [hit.message.pk for hit in page.hits]
            if page.next is None:
                return found
            before = page.next

    def test_one_look_has_an_end_and_the_next_goes_on(self) -> None:
        query = search.parse("from:ana is:mine")
        with no_marks(), patch.object(crowd, "LOOKED_AT", 40):
            page = search.search([self.shop.pk], query, None, 10)
        assert (page.hits, page.suggestion) == ([], "")
        assert page.next is not None

    def test_what_is_offered_for_a_misspelling_finds_something_of_the_crowd(self) -> None:
        with no_marks():
            assert self.page("seldm from:ana").suggestion == "seldom from:ana"
            Message.objects.filter(sender__in=[number(0), number(1), number(4)], text="seldom").delete()
            assert self.page("seldm from:ana").suggestion == ""

    def test_pinned_in_a_crowd(self) -> None:
        theirs = next(row for row in self.rows if row.sender == number(4))
        for message in (theirs, next(row for row in self.rows if row.sender == number(2))):
            Pin.objects.create(message=message, state=Pin.State.PINNED)
        with no_marks():
            assert [hit.message.pk for hit in self.page("from:ana is:pinned").hits] == [theirs.pk]
            assert theirs.pk not in [hit.message.pk for hit in self.page("from:ana -is:pinned", limit=500).hits]
            named = self.page(f"{theirs.message_id} from:ana -in:zoe").hits
            assert [hit.message.pk for hit in named] == [theirs.pk]
            assert self.page(f"{theirs.message_id} -from:ana").hits == []
