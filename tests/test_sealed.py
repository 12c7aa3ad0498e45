"""Edits and reactions that are sealed with the secret of the message they are about."""

import os
import sqlite3
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    FutureProofMessage,
    Message,
    ProtocolMessage,
    SecretEncryptedMessage,
)
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import Conversation, HistorySync, HistorySyncMsg
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import WebMessageInfo

from instances.whatsapp import keys
from instances.whatsapp.adapter import messages, read_history, sealed
from instances.whatsapp.adapter.shut import MOST, MOST_BYTES, Shut
from instances.whatsapp.events import MessageArrived, Party
from tests.loopback import sealing
from tests.test_adapter import event

pytestmark = pytest.mark.sqlite_only

SECRET = bytes(range(32))
LID, PHONE = "1002@lid", "5511@s.whatsapp.net"
TARGET = MessageKey(remoteJID=LID, fromMe=True, ID="3EB0FIRST")
NEW = Message(conversation="at eleven")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "PAUSE_SECONDS", 0)


def known(names: Iterable[str] = (LID, PHONE), secrets: Iterable[bytes] = (SECRET,)) -> Any:
    """What the keys say of the message."""

    def find(chat: str, author: tuple[str, ...], message_id: str) -> tuple[list[str], list[bytes]]:
        assert message_id == TARGET.ID
        return list(names), list(secrets)

    return find


def read(message: Message, find: Any = None, **source: Any) -> Any:
    return messages.read(event(message, **source), find or known())


def protocol(new: Message) -> Message:
    return Message(protocolMessage=ProtocolMessage(type=ProtocolMessage.MESSAGE_EDIT, editedMessage=new))


@pytest.mark.parametrize("author", [LID, PHONE])
@pytest.mark.parametrize(
    "content", [NEW, protocol(NEW), Message(editedMessage=FutureProofMessage(message=protocol(NEW)))]
)
def test_an_edit(author: str, content: Message) -> None:
    """Was red: it stood in the chat as a message of an unknown kind, and what was edited kept its first text."""
    edit = read(sealing.sealed_edit(SECRET, TARGET, author, content))
    assert (edit.kind, edit.text, edit.data) == ("edit", "at eleven", {})
    assert (edit.target.message_id, edit.target.by_same_author) == (TARGET.ID, True)


def test_an_edit_in_an_envelope() -> None:
    inner = sealing.sealed_edit(SECRET, TARGET, LID, NEW)
    assert read(Message(ephemeralMessage=FutureProofMessage(message=inner))).text == "at eleven"


def test_one_of_several_secrets() -> None:
    find = known(secrets=(os.urandom(32), SECRET))
    assert read(sealing.sealed_edit(SECRET, TARGET, LID, NEW), find).text == "at eleven"


def test_ours_whose_other_name_the_keys_know() -> None:
    """Our own phone edits under our number; the event says our LID alone."""
    edit = sealing.sealed_edit(SECRET, TARGET, PHONE, NEW)
    assert read(edit, from_me=True, sender=LID, sender_alt="").text == "at eleven"


def broken(message: Message, **changed: Any) -> Message:
    for name, value in changed.items():
        setattr(message.secretEncryptedMessage, name, value)
    return message


def fails(*_: Any) -> Any:
    raise subprocess.SubprocessError


@pytest.mark.parametrize(
    ("message", "find"),
    [
        (sealing.sealed_edit(SECRET, TARGET, LID, NEW), known(secrets=())),
        (sealing.sealed_edit(SECRET, TARGET, LID, NEW), fails),
        (sealing.sealed_edit(os.urandom(32), TARGET, LID, NEW), known()),
        (sealing.sealed_edit(SECRET, TARGET, "1003@lid", NEW), known()),
        (sealing.sealed_edit(SECRET, TARGET, LID, NEW, label="Enc Reaction"), known()),
        (sealing.sealed_edit(SECRET, TARGET, LID, NEW, kind=SecretEncryptedMessage.UNKNOWN), known()),
        (broken(sealing.sealed_edit(SECRET, TARGET, LID, NEW), encIV=b"short"), known()),
        (broken(sealing.sealed_edit(SECRET, TARGET, LID, NEW), encPayload=b""), known()),
        (sealing.sealed_edit(SECRET, TARGET, LID, Message()), known()),
        (sealing.sealed_edit(SECRET, TARGET, LID, protocol(protocol(NEW))), known()),
    ],
    ids=[
        "no secret", "no keys", "another secret", "somebody else", "another label", "another kind", "a short nonce",
        "no payload", "nothing in it", "an edit of an edit",
    ],
)  # fmt: skip
def test_an_edit_that_stays_sealed(message: Message, find: Any) -> None:
    edit = read(message, find)
    assert (edit.kind, edit.text, edit.data) == ("edit", "", {"unread": True})
    assert edit.target.message_id == TARGET.ID


def test_keys_that_are_away_for_a_moment() -> None:
    """The edit is given once."""
    answers = iter([fails, known()])
    assert read(sealing.sealed_edit(SECRET, TARGET, LID, NEW), lambda *asked: next(answers)(*asked)).text == "at eleven"


def test_nothing_is_looked_for_without_need() -> None:
    """Each look costs a process."""
    asked: list[Any] = []

    def find(*question: Any) -> tuple[list[str], list[bytes]]:
        asked.append(question)
        return [], []

    for message in (
        broken(sealing.sealed_edit(SECRET, TARGET, LID, NEW), encPayload=b""),
        broken(sealing.sealed_edit(SECRET, TARGET, LID, NEW), encIV=b""),
        sealing.sealed_edit(SECRET, MessageKey(fromMe=True, ID="3EB\0"), LID, NEW),
        sealing.sealed_edit(SECRET, MessageKey(fromMe=True, ID=""), LID, NEW),
        Message(conversation="x"),
    ):
        read(message, find)
    assert not asked


class Unchecked:
    """A message that Python's protobuf would not write."""

    def __init__(self, message: Message, instead: tuple[bytes, bytes] = (b"", b"")) -> None:
        self._bytes = message.SerializePartialToString().replace(*instead)

    def SerializeToString(self) -> Any:  # noqa: N802
        return self._bytes


def test_text_that_is_none() -> None:
    latin = Unchecked(Message(conversation="XX"), (b"XX", b"\xe9\xff"))
    assert read(sealing.sealed_edit(SECRET, TARGET, LID, latin)).text == "\ufffd\ufffd"


def test_a_reaction() -> None:
    theirs = MessageKey(remoteJID="1@g.us", fromMe=False, ID=TARGET.ID, participant="1001:3@lid")
    asked: list[Any] = []

    def find(*question: Any) -> tuple[list[str], list[bytes]]:
        asked.append(question)
        return ["1001@lid"], [SECRET]

    reaction = sealing.sealed_reaction(SECRET, theirs, "1001@lid", LID, "👍")
    heard = read(reaction, find, chat="1@g.us", group=True)
    assert (heard.kind, heard.text, heard.target.message_id) == ("reaction", "👍", TARGET.ID)
    assert asked == [("1@g.us", ("1001@lid",), TARGET.ID)]
    assert read(reaction, known(secrets=()), chat="1@g.us", group=True).text == ""


def test_a_comment() -> None:
    theirs = MessageKey(remoteJID="1@g.us", fromMe=False, ID=TARGET.ID, participant="1001@lid")
    comment = sealing.sealed_comment(SECRET, theirs, "1001@lid", LID, NEW)
    assert read(comment, known(["1001@lid"]), chat="1@g.us", group=True).text == "at eleven"
    unread = read(comment, known(secrets=()), chat="1@g.us", group=True)
    assert (unread.kind, unread.text) == ("other", "")


def told(chat: str, *messages: WebMessageInfo, names: tuple[str, str] | None = None) -> list[Any]:
    """What a history says."""
    wrapped = [HistorySyncMsg(message=message) for message in messages]
    history = HistorySync(syncType=HistorySync.RECENT, conversations=[Conversation(ID=chat, messages=wrapped)])
    if names is not None:
        history.phoneNumberToLidMappings.add(pnJID=names[0], lidJID=names[1])
    found = read_history(history.SerializeToString(), Party("5599@s.whatsapp.net"))[1]
    return [one for one in found if isinstance(one, MessageArrived)]


def past(message_id: str, message: Message, chat: str, secret: bytes = b"", participant: str = "") -> WebMessageInfo:
    key = MessageKey(remoteJID=chat, fromMe=False, ID=message_id, participant=participant or None)
    return WebMessageInfo(key=key, message=message, messageTimestamp=1_771_267_200, messageSecret=secret or None)


def test_in_a_history_beside_its_message() -> None:
    """In a group, by the name that the history's own table has."""
    group, target = "1@g.us", MessageKey(remoteJID="1@g.us", fromMe=True, ID=TARGET.ID)
    edit = past("3EB0EDIT", sealing.sealed_edit(SECRET, target, LID, NEW), group, participant=PHONE)
    first = past(TARGET.ID, Message(conversation="at ten"), group, SECRET, participant=PHONE)
    whom = MessageKey(remoteJID=group, fromMe=False, ID=TARGET.ID, participant=PHONE)
    reaction = past(
        "3EB0LIKE", sealing.sealed_reaction(SECRET, whom, LID, "1003@lid", "👍"), group, participant="1003@lid"
    )
    heard = {one.message_id: one for one in told(group, edit, reaction, first, names=(PHONE, LID))}
    assert heard["3EB0EDIT"].text == "at eleven"
    assert heard["3EB0LIKE"].text == "👍"


def test_two_edits_in_a_messages_place_are_two() -> None:
    """Was red: after linking anew the second had the first one's name, and was taken for it."""
    ids = set()
    for text in ("at eleven", "at noon"):
        edited = sealing.sealed_edit(SECRET, TARGET, PHONE, Message(conversation=text))
        ids.add(told(PHONE, past(TARGET.ID, edited, PHONE, SECRET))[1].message_id)
    assert len(ids) == 2


def test_an_edit_that_is_not_whole_takes_no_pin_away() -> None:
    """Was red: what protobuf reads, it does not always write."""
    new = Message()
    new.extendedTextMessage.text = "at eleven"
    new.extendedTextMessage.endCardTiles.add()
    kept = past(TARGET.ID, sealing.sealed_edit(SECRET, TARGET, PHONE, Unchecked(new)), PHONE, SECRET)
    kept.pinInChat.type = kept.pinInChat.PIN_FOR_ALL
    assert [one.kind for one in told(PHONE, kept)] == ["text", "edit", "pin"]


def test_when_it_was_edited_is_kept() -> None:
    new = protocol(NEW)
    new.protocolMessage.timestampMS = 1_771_267_300_000
    edit = told(PHONE, past(TARGET.ID, sealing.sealed_edit(SECRET, TARGET, PHONE, new), PHONE, SECRET))[1]
    assert edit.sent_at.timestamp() == 1_771_267_300


@pytest.mark.parametrize(("secret", "kind", "text"), [(SECRET, "text", "at eleven"), (b"", "unreadable", "")])
def test_in_a_history(secret: bytes, kind: str, text: str) -> None:
    """There the edit stands in its message's place."""
    first, edit = told(PHONE, past(TARGET.ID, sealing.sealed_edit(SECRET, TARGET, PHONE, NEW), PHONE, secret))
    assert (first.message_id, first.kind, first.text) == (TARGET.ID, kind, text)
    assert (edit.kind, edit.text) == ("edit", text)


def test_one_that_stays_shut_is_opened_later() -> None:
    """Its message's secret may come with the history, or with a second attempt to decrypt it."""
    answers = iter([known(secrets=()), known()])
    shut = Shut(lambda *asked: next(answers)(*asked))
    assert shut.keep(event(sealing.sealed_edit(SECRET, TARGET, LID, NEW)))
    assert shut.again("3EB01") is None
    opened = shut.again("3EB01")
    assert opened is not None
    assert opened.text == "at eleven"
    assert shut.again("3EB01") is None, "once"


def numbered(number: int, size: int = 1) -> Any:
    made = event(sealing.sealed_edit(SECRET, TARGET, LID, Message(conversation="x" * size)))
    made.Info.ID = f"3EB{number}"
    return made


def test_no_more_is_kept_than_a_contact_should_fill() -> None:
    shut = Shut(known(secrets=()))
    assert sum(shut.keep(numbered(number)) for number in range(MOST + 5)) == MOST
    assert not shut.keep(numbered(MOST))
    assert shut.again("3EB0") is None
    assert not shut.keep(numbered(MOST))
    assert shut.again("3EB0", last=True) is None
    assert shut.keep(numbered(MOST)), "the first one was let go"
    shut.clear()
    assert not shut.keep(numbered(1, MOST_BYTES))
    assert shut.keep(numbered(1))


def test_what_the_keys_know(tmp_path: Path, settings: Any) -> None:
    """The library's tables, in a file that the library has open; read by a program of its own."""
    settings.SESSION_DIR, settings.SESSION_DATABASE_URL = tmp_path, ""
    uid = uuid4()
    store = sqlite3.connect(keys.prepare(uid))
    store.executescript(
        """
        PRAGMA journal_mode = WAL;
        CREATE TABLE whatsmeow_device (jid TEXT);
        CREATE TABLE whatsmeow_lid_map (lid TEXT, pn TEXT);
        CREATE TABLE whatsmeow_message_secrets
            (our_jid TEXT, chat_jid TEXT, sender_jid TEXT, message_id TEXT, key BLOB);
        INSERT INTO whatsmeow_device VALUES ('5599:7@s.whatsapp.net');
        INSERT INTO whatsmeow_lid_map VALUES ('1002', '5511');
        INSERT INTO whatsmeow_message_secrets VALUES
            ('5599:7@s.whatsapp.net', '5511@s.whatsapp.net', '5511@s.whatsapp.net', 'A', x'01'),
            ('5599:7@s.whatsapp.net', '5511@s.whatsapp.net', '5512@s.whatsapp.net', 'A', x'02'),
            ('5599:7@s.whatsapp.net', '1@g.us', '1002@lid', 'A', x'03'),
            ('5599:6@s.whatsapp.net', '5511@s.whatsapp.net', '5511@s.whatsapp.net', 'A', x'04');
        """
    )
    try:
        assert keys.secrets_of(uid, LID, (LID,), "A") == ([LID, PHONE], [b"\x01"])
        assert keys.secrets_of(uid, "1@g.us", (PHONE,), "A") == ([PHONE, LID], [b"\x03"])
        assert keys.secrets_of(uid, "1@g.us", ("x' OR 1=1@lid",), "A")[1] == []
        assert keys.secrets_of(uid, LID, (), "A")[1] == []
    finally:
        store.close()
