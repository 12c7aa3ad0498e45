"""The search page and the API where one look at what a crowd wrote does not reach the first hit."""

import re
from typing import Any
from unittest.mock import patch

from chats.models import Contact, Message
from chats.search import catch_up, crowd, planning
from tests.page_base import PageTestCase

LOADING = "Loading …"
NOTHING = "Nothing found"
SOMEBODY = "5511900000009@s.whatsapp.net"


class LongLook(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        for patched in (
            patch.multiple(planning, MAX_MARKS=0, MAX_EXCLUDED=0, FEW_MARKS=0),
            patch.object(crowd, "LOOKED_AT", 26),
        ):
            patched.start()
            self.addCleanup(patched.stop)
        senders = {self.make_message(f"M{place}").sender for place in range(60)}
        for jid in (*senders, "5511900000001@s.whatsapp.net"):
            Contact.objects.create(instance=self.shop, jid=jid, push_name="Ana Maria")
        catch_up()

    def pages(self, q: str) -> list[str]:
        """What the page shows first, and what comes by itself after it."""
        shown = [self.open("bob", "/search/", q=q).content.decode()]
        while address := re.search('hx-get="([^"]*before=[^"]*)"', shown[-1]):
            shown.append(self.open("bob", address[1].replace("&amp;", "&"), fragment=True).content.decode())
        return shown

    def test_it_goes_on_by_itself_until_something_is_found(self) -> None:
        Message.objects.exclude(message_id="M3").update(sender=SOMEBODY)
        catch_up()
        *before, last = self.pages("from:ana")
        assert len(before) >= 1
        assert all(LOADING in page and NOTHING not in page and "data-item" not in page for page in before)
        assert NOTHING not in last
        assert "data-item" in last

    def test_it_says_so_where_nothing_is_found_in_the_end(self) -> None:
        *before, last = self.pages("-from:ana")
        assert len(before) >= 1
        assert not any(NOTHING in page for page in before)
        assert NOTHING in last
        assert NOTHING in self.pages("from:ana in:nobody")[0]

    def test_it_does_not_where_something_was(self) -> None:
        shown = self.pages("from:ana")
        assert len(shown) == 3
        assert not any(NOTHING in page for page in shown)

    def test_in_the_api(self) -> None:
        answers: list[Any] = []
        while not answers or answers[-1]["hasMore"]:
            more = f"&cursor={answers[-1]['next']}" if answers else ""
            path = f"/api/chat/search/shop?q=-from:ana&limit=10{more}"
            answers.append(self.client.get(path, headers={"token": self.alice}).json())
        assert len(answers) > 1
        assert all((answer["count"], answer["suggestion"]) == (0, None) for answer in answers)
