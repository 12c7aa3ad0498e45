"""History, search, the lists of chats and pins: a test for each row of the contract."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils import timezone

from chats import search
from chats.models import Chat, Contact, Message, Pin, PinEvent
from instances.models import Instance
from tests.base import ApiTestCase

JID = "5511999999999@s.whatsapp.net"
OTHER = "5511888888888@s.whatsapp.net"
LID = "777@lid"
WRONG = "Instance token does not match the requested instance"
NO_CURSOR = "cursor is none: send the value of `next` from the answer before, or leave it out"
START = datetime(2026, 2, 16, 18, 0, tzinfo=UTC)
NUMBER = (
    "number must be a phone number with its country code, for example 5511999999999, or a JID, "
    "for example 5511999999999@s.whatsapp.net or 120363406289005073@g.us"
)


class ReadingTestCase(ApiTestCase):
    """Five messages in one chat of Alice's shop, a minute apart, and one in another chat."""

    def setUp(self) -> None:
        super().setUp()
        self.messages = [self.said(f"M{number}", f"word{number} parcel", number) for number in range(5)]
        self.said("OTHER", "another parcel", 9, chat=OTHER)
        self.said("CHARLIE", "Charlie's parcel", 9, instance=self.charlies_shop)
        Chat.objects.filter(pk=self.messages[0].chat_id).update(lid=LID, name="Dora")
        search.catch_up()

    def said(self, name: str, text: str, minute: int, *, instance: Instance | None = None, chat: str = JID) -> Message:
        message = self.make_message(name, instance=instance, chat=chat)
        message.text, message.sent_at = text, START + timedelta(minutes=minute)
        message.save()
        Chat.objects.filter(pk=message.chat_id).update(last_message_at=message.sent_at)
        return message

    def get(self, path: str, token: str | None = None) -> HttpResponse:
        return self.call("GET", f"/api/chat/{path}", token=self.alice if token is None else token)

    def history(self, token: str | None = None, name: str = "shop", **body: Any) -> HttpResponse:
        body = {"number": "5511999999999", **body}
        return self.post(f"/api/chat/history/{name}", body, token=self.alice if token is None else token)

    def ids(self, response: HttpResponse) -> list[str]:
        assert response.status_code == 200, response.content
        return [one["messageId"] for one in response.json()["messages"]]  # type: ignore[attr-defined]


class Strangers(ReadingTestCase):
    def test_they_are_refused_everywhere(self) -> None:
        for path, query in {"search": "?q=parcel", "list": "", "pins": "", "history": ""}.items():
            method = "POST" if path == "history" else "GET"

            def ask(name: str, token: str = "", method: str = method, path: str = path, query: str = query) -> Any:
                return self.call(method, f"/api/chat/{path}/{name}{query}", {"number": JID}, token=token)

            with self.subTest(path):
                self.assert_error(ask("shop"), 401, "Missing token in header")
                self.assert_error(ask("shop", "wap_x"), 401, "Invalid token")
                self.assert_error(ask("desk", self.charlie), 404, "Instance not found")
                self.assert_error(ask("shop", self.charlie_stall), 403, WRONG)
                self.assert_error(ask("shop", self.bob_desk), 403, WRONG)
                self.assert_error(ask("", self.alice), 400, "Instance name is required")
                assert ask("shop", self.alice_shop).status_code == 200
                # His own shop of the same name: nothing of Alice's is in it.
                assert b"word1" not in ask("shop", self.charlie).content
                assert b"word1" not in ask("desk", self.alice).content


class History(ReadingTestCase):
    def test_it_works(self) -> None:
        response = self.history(count=2)
        answer = response.json()  # type: ignore[attr-defined]
        assert list(answer) == ["success", "messages", "count", "hasMore", "chat_jid", "next"]
        assert self.ids(response) == ["M4", "M3"]
        assert (answer["count"], answer["hasMore"], answer["chat_jid"]) == (2, True, JID)
        assert answer["messages"][0] == {
            "messageId": "M4",
            "chatJid": JID,
            "senderJid": JID,
            "senderName": "",
            "fromMe": False,
            "timestamp": "2026-02-16T18:04:00Z",
            "type": "text",
            "text": "word4 parcel",
            "quotedId": None,
            "status": None,
            "editedAt": None,
            "deletedAt": None,
        }

    def test_page_by_page(self) -> None:
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            response = self.history(count=2, cursor=cursor)
            seen += self.ids(response)
            cursor = response.json()["next"]  # type: ignore[attr-defined]
        assert seen == ["M4", "M3", "M2", "M1", "M0"]

    def test_each_way_to_name_a_chat(self) -> None:
        for number in (JID, LID, "+55 (11) 99999-9999", "5511999999999@c.us", " 5511999999999 "):
            assert len(self.ids(self.history(number=number))) == 5, number

    def test_a_window(self) -> None:
        assert self.ids(self.history(**{"from": "2026-02-16T18:03:00Z"})) == ["M4", "M3"]
        assert self.ids(self.history(to="2026-02-16T18:01:00+00:00")) == ["M1", "M0"]
        window = {"from": "2026-02-16T15:01:00-03:00", "to": "2026-02-16 18:02"}
        assert self.ids(self.history(**window)) == ["M2", "M1"]
        assert self.ids(self.history(to="2026-02-16")) == []

    def test_only_some(self) -> None:
        Contact.objects.create(instance=self.shop, jid=OTHER, lid="888@lid")
        Message.objects.filter(message_id="M1").update(sender=OTHER, kind="image")
        Message.objects.filter(message_id="M2").update(from_me=True)
        until = timezone.now() + timedelta(days=1)
        Pin.objects.create(message=self.messages[3], state="pinned", expires_at=until)
        Pin.objects.create(message=self.messages[4], state="pinned", expires_at=timezone.now() - timedelta(days=1))
        Pin.objects.create(message=self.messages[0], state="unpinned", expires_at=until)
        for wanted, body in (
            (["M1"], {"type": "image"}),
            (["M4", "M3", "M2", "M0"], {"type": "text"}),
            (["M1"], {"sender": "+55 11 88888-8888"}),
            (["M1"], {"sender": "888@lid"}),
            ([], {"sender": "5511000000001"}),
            (["M2"], {"fromMe": True}),
            (["M4", "M3", "M1", "M0"], {"fromMe": False}),
            (["M3"], {"pinned": True}),
            (["M4", "M2", "M1", "M0"], {"pinned": False}),
            (["M4", "M0"], {"pinned": False, "fromMe": False, "sender": JID}),
            (["M4", "M3", "M2", "M1", "M0"], {"type": "", "sender": None, "fromMe": None, "pinned": None}),
        ):
            assert self.ids(self.history(**body)) == wanted, body

    def test_none_to_narrow_down_to(self) -> None:
        response = self.history(type="dream")
        assert response.json()["error"]["message"].startswith(  # type: ignore[attr-defined]
            "Invalid request body: type must be one of audio, contact, document,"
        )
        words = NUMBER.replace("number", "sender", 1)
        self.assert_error(self.history(sender="abc"), 400, f"Invalid request body: {words}")
        for name in ("fromMe", "pinned"):
            sentence = f"Invalid request body: {name} must be true or false, not a string"
            self.assert_error(self.history(**{name: "yes"}), 400, sentence)

    def test_no_date(self) -> None:
        for name in ("from", "to"):
            for value in ("yesterday", "2026-13-01", "16/02/2026", "0001-01-01T00:00:00+14:00", "1"):
                words = f"invalid '{name}' date format. Use ISO 8601 format (e.g., '2026-02-16T18:32:39Z')"
                self.assert_error(self.history(**{name: value}), 400, words)

    def test_number_is_required(self) -> None:
        for value in (None, "", " "):
            self.assert_error(self.history(number=value), 400, "Number is required")

    def test_no_number(self) -> None:
        for value in ("abc", "12", "0" * 9, "x@y", "a b@lid", "1" * 16, "@lid"):
            self.assert_error(self.history(number=value), 400, f"Invalid request body: {NUMBER}")

    def test_count(self) -> None:
        for value in (0, -1, 501, 1.5, 1e400):
            what = "count must be a whole number from 1 to 500"
            if value == 1e400:
                response = self.post(
                    "/api/chat/history/shop", b'{"number": "1234567", "count": 1e400}', token=self.alice
                )
            else:
                response = self.history(count=value)
            self.assert_error(response, 400, f"Invalid request body: {what}")
        words = "Invalid request body: count must be a number, not a string"
        self.assert_error(self.history(count="5"), 400, words)
        assert len(self.ids(self.history(count=2.0))) == 2

    def test_no_cursor(self) -> None:
        self.assert_error(self.history(cursor="x"), 400, f"Invalid request body: {NO_CURSOR}")

    def test_a_chat_we_know_nothing_of(self) -> None:
        answer = self.history(number="5511777777777").json()  # type: ignore[attr-defined]
        assert (answer["messages"], answer["chat_jid"]) == ([], "5511777777777@s.whatsapp.net")

    def test_a_deleted_message_is_marked_and_says_nothing(self) -> None:
        Message.objects.filter(message_id="M4").update(deleted_at=START)
        first = self.history().json()["messages"][0]  # type: ignore[attr-defined]
        assert (first["text"], first["deletedAt"]) == ("", "2026-02-16T18:00:00Z")

    def test_fifty_unless_said_otherwise(self) -> None:
        for number in range(5, 51):
            self.said(f"M{number}", "parcel", number)
        answer = self.history().json()  # type: ignore[attr-defined]
        assert (answer["count"], answer["hasMore"]) == (50, True)
        answer = self.history(count=51).json()  # type: ignore[attr-defined]
        assert (answer["count"], answer["hasMore"]) == (51, False)

    def test_what_acts_on_another_is_left_out(self) -> None:
        Message.objects.filter(message_id="M4").update(kind=Message.Kind.REACTION)
        assert self.ids(self.history())[0] == "M3"


class Search(ReadingTestCase):
    def test_it_works(self) -> None:
        response = self.get("search/shop?q=parcel&limit=4")
        answer = response.json()  # type: ignore[attr-defined]
        assert self.ids(response) == ["OTHER", "M4", "M3", "M2"]
        assert answer["hasMore"] is True
        assert {"text": "parcel", "match": True} in answer["messages"][0]["snippet"]
        response = self.get(f"search/shop?q=parcel&limit=4&cursor={answer['next']}")
        assert self.ids(response) == ["M1", "M0"]
        assert response.json()["next"] is None  # type: ignore[attr-defined]

    def test_filters(self) -> None:
        assert self.ids(self.get("search/shop?q=parcel+in:dora+-word4&limit=1")) == ["M3"]

    def test_every_filter_of_the_page(self) -> None:
        Contact.objects.create(instance=self.shop, jid=OTHER)
        Message.objects.filter(message_id="M1").update(sender=OTHER, kind="image", sender_name="Dora")
        Message.objects.filter(message_id="M2").update(from_me=True)
        until = timezone.now() + timedelta(days=1)
        Pin.objects.create(message=self.messages[3], state="pinned", expires_at=until)
        search.catch_up()
        for wanted, q in (
            ({"M0", "M1", "M2", "M3", "M4"}, "in:5511999999999"),
            ({"M0", "M1", "M2", "M3", "M4"}, "in:Dora"),
            ({"OTHER"}, "-in:Dora parcel"),
            ({"M1", "OTHER"}, "from:5511888888888"),
            ({"M2"}, "from:me"),
            ({"M2"}, "is:mine"),
            ({"M0", "M1", "M3", "M4", "OTHER"}, "-is:mine parcel"),
            ({"M1"}, "type:image"),
            ({"M1"}, "has:media"),
            ({"M3"}, "is:pinned"),
            ({"M3"}, "is:pinned after:2026-02-15 before:2026-02-17"),
            (set(), "on:2026-02-15"),
            ({"M0", "M1", "M2", "M3", "M4", "OTHER"}, "on:2026-02-16"),
            ({"M0", "M1", "M2", "M3", "M4", "OTHER"}, "instance:shop"),
            # An instance of the same account: the address says which one is asked.
            (set(), "instance:desk"),
        ):
            assert set(self.ids(self.get(f"search/shop?{urlencode({'q': q})}"))) == wanted, q

    def test_nothing_found(self) -> None:
        answer = self.get("search/shop?q=nowhere").json()  # type: ignore[attr-defined]
        assert (answer["messages"], answer["count"], answer["hasMore"]) == ([], 0, False)

    def test_a_misspelling_that_finds_nothing(self) -> None:
        answer = self.get("search/shop?q=parcle").json()  # type: ignore[attr-defined]
        assert (answer["count"], answer["suggestion"]) == (0, "parcel")
        assert self.get("search/shop?q=parcel").json()["suggestion"] is None  # type: ignore[attr-defined]

    def test_parameters(self) -> None:
        def refused(query: str, what: str) -> None:
            self.assert_error(self.get(f"search/shop?{query}"), 400, f"Invalid parameter: {what}")

        refused("", "q is required: what to search for")
        refused("q=+", "q is required: what to search for")
        refused("q=a%00b", "q must not contain a NUL character (%00)")
        refused("q=a&cursor=x", NO_CURSOR)
        for value in ("0", "501", "-1", "x", "9" * 5000):
            refused(f"q=a&limit={value}", "limit must be a whole number from 1 to 500")


class Chats(ReadingTestCase):
    def test_it_works(self) -> None:
        answer = self.get("list/shop?limit=1").json()  # type: ignore[attr-defined]
        assert [chat["jid"] for chat in answer["chats"]] == [OTHER]
        assert (answer["count"], answer["hasMore"]) == (1, True)
        answer = self.get(f"list/shop?cursor={answer['next']}").json()  # type: ignore[attr-defined]
        (chat,) = answer["chats"]
        last = chat.pop("lastMessage")
        assert last["messageId"] == "M4"
        assert chat == {
            "jid": JID,
            "lid": LID,
            "name": "Dora",
            "type": "direct",
            "adminsOnly": False,
            "lastMessageAt": "2026-02-16T18:04:00Z",
        }
        assert answer["next"] is None

    def test_by_name_and_number(self) -> None:
        for text, found in {"dor": [JID], "88888": [OTHER], "%2B55+11+9": [JID], "nobody": []}.items():
            answer = self.get(f"list/shop?q={text}").json()  # type: ignore[attr-defined]
            assert [chat["jid"] for chat in answer["chats"]] == found, text

    def test_by_a_name_whatever_its_case(self) -> None:
        Chat.objects.filter(jid=JID).update(name="Ângela")
        for text, found in {"%C3%A2ngela": [JID], "%C3%82NG": [JID], "%C3%A2ngelo": []}.items():
            answer = self.get(f"list/shop?q={text}").json()  # type: ignore[attr-defined]
            assert [chat["jid"] for chat in answer["chats"]] == found, text

    def test_no_cursor(self) -> None:
        self.assert_error(self.get("list/shop?cursor=x"), 400, f"Invalid parameter: {NO_CURSOR}")


class Pins(ReadingTestCase):
    def setUp(self) -> None:
        super().setUp()
        now = timezone.now()
        facts = {"duration": 86_400, "pinned_at": now, "expires_at": now + timedelta(hours=24)}
        Pin.objects.create(message=self.messages[0], state="pinned", actor="token 'CRM'", **facts)
        other = Message.objects.get(message_id="OTHER")
        Pin.objects.create(message=other, state="pinned", actor=OTHER, **facts)
        Contact.objects.create(instance=self.shop, jid=OTHER, push_name="Otto")
        Pin.objects.create(message=self.messages[1], state="unpinned")
        facts["expires_at"] = now
        Pin.objects.create(message=self.messages[2], state="pinned", **facts)

    def pinned(self, query: str = "", token: str | None = None) -> list[str]:
        answer = self.get(f"pins/shop{query}", token).json()  # type: ignore[attr-defined]
        return [pin["message"]["messageId"] for pin in answer["pins"]]

    def test_it_works(self) -> None:
        assert self.pinned() == ["OTHER", "M0"], "what has run out is not pinned"
        otto, crm = self.get("pins/shop").json()["pins"]  # type: ignore[attr-defined]
        assert list(otto) == [
            "state", "pinnedAt", "expiresAt", "duration", "by", "byName", "changedAt", "message"
        ]  # fmt: skip
        assert (otto["by"], otto["byName"], otto["duration"]) == (OTHER, "Otto", 86_400)
        assert (crm["by"], crm["byName"]) == ("token 'CRM'", None)

    def test_the_address_book_knows_people_first(self) -> None:
        """Was red: who is in the address book alone had no name, and Otto the one he gave himself."""
        for push_name in ("Otto", ""):
            Contact.objects.update(push_name=push_name, name="Otto Braun")
            assert self.get("pins/shop").json()["pins"][0]["byName"] == "Otto Braun"  # type: ignore[attr-defined]

    def test_of_one_chat(self) -> None:
        for number in ("5511999999999", LID, JID.replace("@", "%40")):
            assert self.pinned(f"?number={number}") == ["M0"]
        assert self.pinned("?number=5511777777777") == []

    def test_in_another_state(self) -> None:
        assert self.pinned("?state=unpinned") == ["M1"]
        assert sorted(self.pinned("?state=all")) == ["M0", "M1", "M2", "OTHER"]

    def test_page_by_page(self) -> None:
        answer = self.get("pins/shop?limit=1").json()  # type: ignore[attr-defined]
        assert self.pinned(f"?limit=1&cursor={answer['next']}") == ["M0"]

    def test_parameters(self) -> None:
        self.assert_error(self.get("pins/shop?number=x"), 400, f"Invalid parameter: {NUMBER}")
        words = "state must be one of pinned, requested, unpinned, expired, replaced, failed, unknown, all"
        self.assert_error(self.get("pins/shop?state=x"), 400, f"Invalid parameter: {words}")

    def test_charlie_sees_none_of_it(self) -> None:
        assert self.pinned(token=self.charlie) == []


class PinHistory(ReadingTestCase):
    def setUp(self) -> None:
        super().setUp()
        Contact.objects.create(instance=self.shop, jid=OTHER, push_name="Otto")
        pin = Pin.objects.create(message=self.messages[0])
        for minute, (kind, actor, duration) in enumerate(
            (("asked", "Bob", 86_400), ("acknowledged", "Bob", 86_400), ("seen", OTHER, None))
        ):
            facts = {"kind": kind, "actor": actor, "duration": duration, "pinning": duration is not None}
            PinEvent.objects.create(pin=pin, at=START + timedelta(minutes=minute), **facts)

    def lines(self, query: str) -> Any:
        return self.get(f"pinHistory/shop?{query}").json()  # type: ignore[attr-defined]

    def test_it_works(self) -> None:
        answer = self.lines("messageId=M0")
        assert [line["change"] for line in answer["lines"]] == ["seen", "acknowledged", "asked"]
        assert answer["lines"][0] == {
            **{"change": "seen", "pinning": False, "duration": None, "by": OTHER, "byName": "Otto", "detail": None},
            "at": "2026-02-16T18:02:00Z",
        }
        assert self.lines("messageId=M1")["lines"] == [], "never pinned"

    def test_page_by_page(self) -> None:
        first = self.lines("messageId=M0&limit=2")
        rest = self.lines(f"messageId=M0&cursor={first['next']}")
        assert (first["hasMore"], [line["change"] for line in rest["lines"]]) == (True, ["asked"])

    def test_what_is_not_there(self) -> None:
        self.assert_error(self.get("pinHistory/shop"), 400, "messageId is required")
        self.assert_error(self.get("pinHistory/shop?messageId=NONE"), 404, "message with ID NONE not found")
        words = "message with ID M0 not found"
        self.assert_error(self.get("pinHistory/shop?messageId=M0", self.charlie), 404, words)
        chat = Chat.objects.create(instance=self.shop, jid="5511000000000@s.whatsapp.net")
        Message.objects.create(
            instance=self.shop, chat=chat, message_id="M0", from_me=False, sender=OTHER, sent_at=START
        )
        words = "message with ID M0 exists in more than one chat: send chatJid"
        self.assert_error(self.get("pinHistory/shop?messageId=M0"), 409, words)
        assert self.lines(f"messageId=M0&chatJid={JID.replace('@', '%40')}")["count"] == 3
