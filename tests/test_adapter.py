"""What neonize brings, as plain values: every kind of message, and whatever else a sender may make up."""

import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from neonize.proto import Neonize_pb2 as pb
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync

from chats.models import Message as Row
from instances.whatsapp.adapter import endings, jids, messages, read_history, refusals
from instances.whatsapp.adapter.gate import Gate
from instances.whatsapp.errors import Busy, NotConfirmed, NotConnected, Refused
from instances.whatsapp.events import Party, PersonKnown

pytestmark = pytest.mark.sqlite_only


def jid(text: str) -> pb.JID:
    return jids.of(text) if text else pb.JID(User="", Server="", RawAgent=0, Device=0, Integrator=0, IsEmpty=True)


def event(message: Message, **source: Any) -> pb.Message:
    made = pb.Message(Message=message)
    made.Info.ID = "3EB01"
    made.Info.Timestamp = 1_771_267_200_000
    made.Info.Pushname = "Bob"
    where = made.Info.MessageSource
    where.Chat.CopyFrom(jid(source.get("chat", "1002@lid")))
    where.Sender.CopyFrom(jid(source.get("sender", "1002@lid")))
    where.SenderAlt.CopyFrom(jid(source.get("sender_alt", "5511@s.whatsapp.net")))
    where.RecipientAlt.CopyFrom(jid(source.get("recipient_alt", "")))
    where.IsFromMe = source.get("from_me", False)
    where.IsGroup = source.get("group", False)
    return made


def read(message: Message, **source: Any) -> Any:
    return messages.read(event(message, **source), lambda *_: ([], []))


def test_it_works() -> None:
    arrived = read(Message(conversation="hello"))
    assert (arrived.kind, arrived.text, arrived.push_name) == ("text", "hello", "Bob")
    assert (arrived.chat.jid, arrived.chat.alt) == ("1002@lid", "5511@s.whatsapp.net")
    assert arrived.sent_at.isoformat() == "2026-02-16T18:40:00+00:00"


def test_an_own_messages_chat_is_the_other_side() -> None:
    arrived = read(Message(conversation="x"), from_me=True, sender="1001@lid", recipient_alt="5522@s.whatsapp.net")
    assert arrived.chat.alt == "5522@s.whatsapp.net"


def test_a_groups_chat_has_one_name() -> None:
    arrived = read(Message(conversation="x"), group=True, chat="120363@g.us")
    assert (arrived.chat.jid, arrived.chat.alt, arrived.sender.alt) == ("120363@g.us", "", "5511@s.whatsapp.net")


def test_a_picture_of_an_album() -> None:
    message = Message()
    message.associatedChildMessage.message.imageMessage.caption = "the shop's front"
    arrived = read(message)
    assert (arrived.kind, arrived.text) == ("image", "the shop's front")


def test_envelopes_without_end_are_no_error() -> None:
    message = inner = Message()
    for _ in range(50):
        inner = inner.groupMentionedMessage.message
    inner.conversation = "deep down"
    assert read(message).kind == "other"


def test_the_senders_key_alone_is_no_message() -> None:
    message = Message()
    message.senderKeyDistributionMessage.groupID = "120363@g.us"
    assert read(message) is None


def test_the_senders_key_beside_a_text_does_not_hide_it() -> None:
    message = Message(conversation="x")
    message.senderKeyDistributionMessage.groupID = "120363@g.us"
    assert read(message).text == "x"


@pytest.mark.parametrize(("pin_type", "seconds", "duration"), [(1, 86_400, 86_400), (1, 0, 604_800), (2, 0, None)])
def test_a_pin(pin_type: int, seconds: int, duration: int | None) -> None:
    message = Message()
    message.pinInChatMessage.type = pin_type
    message.pinInChatMessage.key.ID = "3EB09"
    message.pinInChatMessage.key.fromMe = True
    message.messageContextInfo.messageAddOnDurationInSecs = seconds
    arrived = read(message)
    assert (arrived.kind, arrived.pin_duration) == ("pin", duration)
    assert (arrived.target.message_id, arrived.target.by_same_author) == ("3EB09", True)


def test_keys_between_devices_are_not_kept() -> None:
    message = Message()
    message.protocolMessage.type = message.protocolMessage.APP_STATE_SYNC_KEY_SHARE
    message.protocolMessage.appStateSyncKeyShare.keys.add().keyID.keyID = b"secret"
    assert read(message) is None


@pytest.mark.parametrize(
    "field",
    ["groupRootKeyShare", "rootSecretDistributeMessage", "stickerSyncRmrMessage", "messageHistoryBundle",
     "encEventResponseMessage"],
)  # fmt: skip
def test_what_no_chat_shows(field: str) -> None:
    """Was red: each stood in the chat as a message of an unknown kind."""
    message = Message()
    getattr(message, field).SetInParent()
    assert read(message) is None
    message.conversation = "beside a text"
    assert read(message).text == "beside a text"


NEWER: list[tuple[str, dict[str, Any], tuple[str, str]]] = [
    ("commentMessage", {"message": {"conversation": "well said"}}, ("text", "well said")),
    ("placeholderMessage", {"type": 0}, ("other", "WhatsApp shows this message on the phone alone.")),
    ("albumMessage", {"expectedImageCount": 3, "expectedVideoCount": 1}, ("other", "Album, 3 pictures, 1 video")),
    ("sendPaymentMessage", {"noteMessage": {"conversation": "for lunch"}}, ("other", "for lunch")),
    ("requestPaymentMessage", {"noteMessage": {"extendedTextMessage": {"text": "the rent"}}}, ("other", "the rent")),
    ("splitPaymentMessage", {"description": "dinner"}, ("other", "dinner")),
    ("paymentReminderMessage", {"description": "rent"}, ("other", "rent")),
    ("scheduledCallCreationMessage", {"title": "weekly"}, ("event", "weekly")),
    ("eventInviteMessage", {"eventTitle": "fair", "caption": "come"}, ("event", "fair\ncome")),
    ("stickerPackMessage", {"name": "cats", "caption": "for you"}, ("sticker", "cats\nfor you")),
    ("newsletterAdminInviteMessage", {"newsletterName": "news", "caption": "join"}, ("other", "news\njoin")),
    ("newsletterFollowerInviteMessageV2", {"newsletterName": "news"}, ("other", "news")),
    ("questionResponseMessage", {"text": "blue"}, ("text", "blue")),
    ("statusQuestionAnswerMessage", {"text": "red"}, ("text", "red")),
    (
        "richResponseMessage",
        {"submessages": [{"messageText": "first"}, {"messageText": "then"}]},
        ("text", "first\nthen"),
    ),
    ("pollResultSnapshotMessage", {"name": "when?"}, ("poll", "when?")),
    ("pollResultSnapshotMessageV3", {"name": "where?"}, ("poll", "where?")),
]


@pytest.mark.parametrize(("field", "content", "said"), NEWER, ids=[field for field, *_ in NEWER])
def test_what_newer_kinds_say(field: str, content: dict[str, Any], said: tuple[str, str]) -> None:
    """Was red: nobody found these by their words."""
    arrived = read(ParseDict({field: content}, Message()))
    assert (arrived.kind, arrived.text) == said


def test_a_payment_with_a_payment_in_it() -> None:
    message = innermost = Message()
    for _ in range(40):
        innermost = innermost.sendPaymentMessage.noteMessage
    innermost.conversation = "deep down"
    assert read(Message.FromString(message.SerializeToString())).text == "deep down"


# --- Edits -------------------------------------------------------------------------------


def edit_of(message_id: str = "3EB01") -> Message:
    """An edit whose new content is still to be filled in."""
    made = Message()
    made.protocolMessage.type = made.protocolMessage.MESSAGE_EDIT
    made.protocolMessage.key.ID, made.protocolMessage.key.fromMe = message_id, True
    return made


def test_an_edited_caption_in_an_envelope() -> None:
    """Was red: the document was left with no text at all, and found by nobody."""
    message = edit_of()
    enveloped = message.protocolMessage.editedMessage.documentWithCaptionMessage.message
    enveloped.documentMessage.caption = "the offer, mended"
    arrived = read(message)
    assert (arrived.kind, arrived.text, arrived.data) == ("edit", "the offer, mended", {})
    message = edit_of()
    message.protocolMessage.editedMessage.groupMentionedMessage.message.conversation = "@all: mended"
    assert read(message).text == "@all: mended"


def test_a_caption_that_was_taken_away() -> None:
    message = edit_of()
    message.protocolMessage.editedMessage.imageMessage.mimetype = "image/jpeg"
    arrived = read(message)
    assert (arrived.kind, arrived.text, arrived.data) == ("edit", "", {})


@pytest.mark.parametrize(
    "field", ["secretEncryptedMessage", "pinInChatMessage", "messageContextInfo", "protocolMessage"]
)
def test_an_edit_to_what_cannot_be_read_says_so(field: str) -> None:
    message = edit_of()
    getattr(message.protocolMessage.editedMessage, field).SetInParent()
    arrived = read(message)
    assert (arrived.kind, arrived.text, arrived.data) == ("edit", "", {"unread": True})


# --- Messages of businesses ----------------------------------------------------------------


def test_a_template_with_buttons() -> None:
    message = Message()
    rows = message.templateMessage.hydratedTemplate
    rows.hydratedTitleText, rows.hydratedContentText, rows.hydratedFooterText = "Your order", "It is on its way", "Shop"
    rows.hydratedButtons.add().urlButton.displayText = "Track"
    rows.hydratedButtons.add().callButton.displayText = "Call us"
    rows.hydratedButtons.add().quickReplyButton.displayText = "Stop"
    arrived = read(message)
    assert (arrived.kind, arrived.text) == ("text", "Your order\nIt is on its way\nShop\nTrack\nCall us\nStop")


def test_a_template_above_which_a_file_stands() -> None:
    message = Message()
    rows = message.templateMessage.hydratedFourRowTemplate
    rows.hydratedContentText = "Your invoice of May"
    rows.documentMessage.fileName, rows.documentMessage.directPath = "invoice-5.pdf", "/v/t62"
    arrived = read(message)
    assert (arrived.kind, arrived.text) == ("document", "Your invoice of May\ninvoice-5.pdf")
    assert (arrived.data["fileName"], arrived.data["path"]) == ("invoice-5.pdf", "/v/t62")


def test_templates_of_older_forms() -> None:
    message = Message()
    rows = message.templateMessage.fourRowTemplate
    rows.content.hydratedHsm.hydratedTemplate.hydratedContentText = "Your code is 1234"
    rows.footer.params.append("Shop")
    rows.buttons.add().quickReplyButton.displayText.params.append("Resend")
    assert read(message).text == "Your code is 1234\nShop\nResend"
    message = Message()
    message.highlyStructuredMessage.params.extend(["Ana", "order 7"])
    assert (read(message).kind, read(message).text) == ("text", "Ana\norder 7")


def test_buttons() -> None:
    message = Message()
    asked = message.buttonsMessage
    asked.text, asked.contentText, asked.footerText = "Appointment", "Does Monday suit you?", "The surgery"
    asked.buttons.add().buttonText.displayText = "Yes"
    asked.buttons.add().nativeFlowInfo.paramsJSON = '{"display_text": "Another day", "id": "7"}'
    arrived = read(message)
    assert (arrived.kind, arrived.text) == ("text", "Appointment\nDoes Monday suit you?\nThe surgery\nYes\nAnother day")


def test_a_list() -> None:
    message = Message()
    choice = message.listMessage
    choice.title, choice.description, choice.footerText, choice.buttonText = "Menu", "Today", "Until 3", "Choose"
    section = choice.sections.add(title="Soups")
    section.rows.add(title="Caldo verde", description="with chouriço")
    choice.contextInfo.stanzaID = "3EB00"
    arrived = read(message)
    assert (arrived.kind, arrived.quoted_id) == ("text", "3EB00")
    assert arrived.text == "Menu\nToday\nUntil 3\nChoose\nSoups\nCaldo verde\nwith chouriço"


def test_an_interactive_message_and_its_answer() -> None:
    message = Message()
    asked = message.interactiveMessage
    asked.header.title, asked.body.text, asked.footer.text = "Visit", "When may we come?", "Gas works"
    asked.nativeFlowMessage.buttons.add(name="quick_reply", buttonParamsJSON='{"display_text":"Morning","id":"1"}')
    rows = '{"title":"More","sections":[{"title":"Next week","rows":[{"id":"2","title":"Tuesday"}]}]}'
    asked.nativeFlowMessage.buttons.add(name="single_select", buttonParamsJSON=rows)
    asked.nativeFlowMessage.buttons.add(name="broken", buttonParamsJSON="[" * 100_000)
    arrived = read(message)
    assert arrived.text == "Visit\nWhen may we come?\nGas works\nMorning\nMore\nNext week\nTuesday"
    message = Message()
    message.interactiveResponseMessage.body.text = "Tuesday"
    assert (read(message).kind, read(message).text) == ("text", "Tuesday")


def test_cards_side_by_side() -> None:
    message = Message()
    shown = message.templateMessage.interactiveMessageTemplate
    shown.body.text = "New in"
    shown.carouselMessage.cards.add().body.text = "Blue jug"
    card = shown.carouselMessage.cards.add()
    card.body.text, card.header.imageMessage.caption = "Red jug", "seen from above"
    assert read(message).text == "New in\nBlue jug\nseen from above\nRed jug"


def test_things_for_sale_and_orders() -> None:
    message = Message()
    message.productMessage.product.title, message.productMessage.product.description = "Jug", "holds a litre"
    message.productMessage.body = "As you asked"
    assert (read(message).kind, read(message).text) == ("other", "Jug\nholds a litre\nAs you asked")
    message = Message()
    message.orderMessage.orderTitle, message.orderMessage.message = "Maria's shop", "two jugs, please"
    assert (read(message).kind, read(message).text) == ("other", "Maria's shop\ntwo jugs, please")
    message = Message()
    message.templateMessage.SetInParent()
    assert (read(message).kind, read(message).text) == ("other", "")


@pytest.mark.parametrize("field", [field.name for field in Message.DESCRIPTOR.fields])
def test_every_kind_of_message_is_read(field: str) -> None:
    """WhatsApp's protocol knows a hundred kinds; none may be an error, and each is a kind we store."""
    message = Message()
    descriptor = Message.DESCRIPTOR.fields_by_name[field]
    if descriptor.message_type is None:
        setattr(message, field, "text")
    else:
        getattr(message, field).SetInParent()
    arrived = read(message)
    assert arrived is None or arrived.kind in Row.Kind.values


def fill(message: Any, draw: Any, depth: int = 3) -> None:
    """Set some fields of a protobuf message to whatever fits their types."""
    fields = draw(st.lists(st.sampled_from(list(message.DESCRIPTOR.fields)), max_size=3, unique_by=lambda f: f.name))
    for field in fields:
        if field.message_type is not None and depth:
            repeated = field.is_repeated
            fill(getattr(message, field.name).add() if repeated else getattr(message, field.name), draw, depth - 1)
        elif field.is_repeated or field.message_type is not None:
            continue
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)))
        elif field.type == FieldDescriptor.TYPE_BYTES:
            setattr(message, field.name, draw(st.binary(max_size=8)))
        elif field.type == FieldDescriptor.TYPE_BOOL:
            setattr(message, field.name, draw(st.booleans()))
        elif field.type in (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_INT32):
            setattr(message, field.name, draw(st.integers(0, 2**31 - 1)))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_message_is_an_error(data: st.DataObject) -> None:
    message = Message()
    fill(message, data.draw)
    arrived = read(message)
    assert arrived is None or arrived.kind in Row.Kind.values


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("timed out waiting for message send response", NotConfirmed),
        ("websocket disconnected before message send returned response", NotConfirmed),
        ("server returned error 479", Refused),
        ("websocket not connected", NotConnected),
        ("failed to get device list: websocket disconnected before info query returned response", NotConnected),
        ("failed to get device list: info query timed out", Busy),
        ("no LID found for 5511@s.whatsapp.net from server", Refused),
    ],
)
def test_the_librarys_errors_by_their_words(text: str, error: type[Exception]) -> None:
    assert type(refusals.of_a_message(text)) is error


# --- The gate in front of the library's maps -----------------------------------------


def test_no_call_begins_while_a_client_is_made() -> None:
    gate, order = Gate(), []

    def call() -> None:
        gate.passing()
        order.append("call")

    with gate.writing():
        thread = threading.Thread(target=call)
        thread.start()
        time.sleep(0.1)
        order.append("made")
    thread.join()
    assert order == ["made", "call"]


def test_a_writer_lets_a_call_get_past_its_first_step() -> None:
    gate = Gate()
    gate.passing()
    began = time.monotonic()
    with gate.writing():
        assert time.monotonic() - began >= 0.015


def test_one_writer_at_a_time() -> None:
    gate, inside, most, written = Gate(), 0, 0, 0

    def write() -> None:
        nonlocal inside, most, written
        with gate.writing():
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1
            written += 1

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, written) == (1, 8)


def test_newcomers_are_made_in_turn_and_dial_together() -> None:
    gate, order, together = Gate(), [], threading.Barrier(4)

    def start() -> None:
        with gate.writing():
            order.append("made")
            time.sleep(0.05)
        with gate.dialing():
            together.wait(10)
            order.append("dialled")

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == ["made"] * 4 + ["dialled"] * 4


def test_nobody_writes_while_a_newcomer_dials_but_calls_go_on() -> None:
    gate, order = Gate(), []

    def stop() -> None:
        with gate.writing():
            order.append("stopped")

    with gate.dialing():
        thread = threading.Thread(target=stop)
        thread.start()
        time.sleep(0.1)
        gate.passing()
        order.append("called, and connected")
    thread.join()
    assert order == ["called, and connected", "stopped"]


# --- History ---------------------------------------------------------------------------


OWN = Party("5511900000001@s.whatsapp.net", "1001@lid")


def history(**conversation: Any) -> tuple[HistorySync, Any]:
    made = HistorySync(syncType=HistorySync.RECENT, progress=40)
    return made, made.conversations.add(**conversation)


def told(made: HistorySync) -> list[Any]:
    percent, events = read_history(made.SerializeToString(), OWN)
    assert percent == 40
    return list(events)


def test_history_of_a_direct_chat() -> None:
    made, chat = history(ID="1002@lid", pnJID="5522@s.whatsapp.net")
    past = chat.messages.add().message
    past.key.ID, past.messageTimestamp, past.message.conversation = "3EB01", 1_700_000_000, "long ago"
    own = chat.messages.add().message
    own.key.ID, own.key.fromMe, own.message.conversation = "3EB02", True, "ours"
    names, first, second = told(made)
    assert names == PersonKnown(Party("1002@lid", "5522@s.whatsapp.net"))
    assert (first.chat, first.sender, first.text) == (names.person, names.person, "long ago")
    assert first.sent_at.timestamp() == 1_700_000_000
    assert (second.sender, second.from_me) == (OWN, True)


def edited_past(stanza: str = "3EB0E") -> tuple[HistorySync, Any, Any]:
    """An edited message as a history has it: the edit stands in the message's own place."""
    made, chat = history(ID="1002@lid")
    past = chat.messages.add().message
    past.key.ID, past.messageTimestamp = stanza, 1_700_000_000
    edit = past.message.editedMessage.message.protocolMessage
    edit.CopyFrom(edit_of().protocolMessage)
    edit.timestampMS = 1_700_000_060_500
    return made, past, edit.editedMessage


def test_history_of_an_edited_message() -> None:
    """Was red: there was but an edit, that waited for a message which never came."""
    made, past, text = edited_past()
    text.extendedTextMessage.text = "at nine, not at eight"
    text.extendedTextMessage.contextInfo.stanzaID = "3EB00"
    text.extendedTextMessage.contextInfo.expiration = 86_400
    past.pinInChat.type, past.pinInChat.senderTimestampMS = past.pinInChat.PIN_FOR_ALL, 1_700_000_100_000
    message, edit, pin = told(made)
    assert (message.message_id, message.kind, message.text, message.target) == (
        "3EB01", "text", "at nine, not at eight", None,
    )  # fmt: skip
    assert (message.sent_at.timestamp(), message.quoted_id) == (1_700_000_000, "3EB00")
    assert (edit.message_id, edit.kind, edit.text) == ("3EB0E", "edit", "at nine, not at eight")
    assert (edit.target.message_id, edit.sent_at.timestamp()) == ("3EB01", 1_700_000_060.5)
    assert (pin.target.message_id, pin.quoted_id, pin.disappears_after) == ("3EB01", "", 0)
    assert (message.disappears_after, edit.disappears_after) == (86_400, 0)


def test_history_of_an_edited_message_under_its_own_id() -> None:
    made, _, text = edited_past("3EB01")
    text.conversation = "mended"
    message, edit = told(made)
    assert (message.message_id, edit.message_id) == ("3EB01", "edit-3EB01-1700000060500")


def test_history_of_an_edited_file() -> None:
    made, _, document = edited_past()
    document.documentWithCaptionMessage.message.documentMessage.fileName = "offer.pdf"
    message, _ = told(made)
    assert (message.kind, message.text, message.data["fileName"]) == ("document", "offer.pdf", "offer.pdf")


def test_history_of_what_was_edited_to_something_unknown() -> None:
    made, _, _ = edited_past()
    message, edit = told(made)
    assert (message.message_id, message.kind, edit.data) == ("3EB01", "unreadable", {"unread": True})


def test_history_tells_what_the_phone_calls_people() -> None:
    """Was red: a direct chat's name was left out."""
    made, _ = history(ID="5522@s.whatsapp.net", name="Bob the plumber")
    made.conversations.add(ID="5533@s.whatsapp.net", name="+55 33 (0) 1234\u20115678")
    made.conversations.add(ID="5544@s.whatsapp.net", displayName="Carla")
    assert told(made) == [
        PersonKnown(Party("5522@s.whatsapp.net"), name="Bob the plumber"),
        PersonKnown(Party("5544@s.whatsapp.net"), name="Carla"),
    ]


def test_history_tells_the_address_book() -> None:
    """Was red: whoever had no chat in it, or no number, had no name."""
    made = HistorySync(syncType=HistorySync.RECENT, progress=40)
    made.inlineContacts.add(pnJID="5522@s.whatsapp.net", lidJID="1002@lid", fullName="Bob the plumber")
    made.inlineContacts.add(lidJID="1003@lid", firstName="Carla")
    made.inlineContacts.add(lidJID="1004@lid", fullName="+55 11 1234")
    made.inlineContacts.add(fullName="nobody")
    assert told(made) == [
        PersonKnown(Party("5522@s.whatsapp.net", "1002@lid"), name="Bob the plumber"),
        PersonKnown(Party("1003@lid"), name="Carla"),
    ]


def test_history_of_a_group() -> None:
    made, chat = history(ID="120363@g.us", name="Sales")
    past = chat.messages.add().message
    past.key.ID, past.key.participant, past.message.conversation = "3EB01", "1002@lid", "to all"
    group, message = told(made)
    assert (group.jid, group.name) == ("120363@g.us", "Sales")
    assert (message.is_group, message.sender) == (True, Party("1002@lid"))


def test_history_tells_what_is_pinned() -> None:
    made, chat = history(ID="1002@lid")
    past = chat.messages.add().message
    past.key.ID, past.message.conversation = "3EB01", "the address"
    past.pinInChat.type = past.pinInChat.PIN_FOR_ALL
    past.pinInChat.senderTimestampMS = 1_700_000_000_000
    past.pinInChat.messageAddOnContextInfo.messageAddOnDurationInSecs = 86_400
    _, pin = told(made)
    assert (pin.kind, pin.pin_duration, pin.target.message_id) == ("pin", 86_400, "3EB01")
    assert pin.data == {"shown": True}
    assert pin.sent_at.timestamp() == 1_700_000_000


def test_history_tells_both_names_of_people() -> None:
    made = HistorySync(syncType=HistorySync.PUSH_NAME, progress=40)
    made.phoneNumberToLidMappings.add(pnJID="5522@s.whatsapp.net", lidJID="1002@lid")
    made.pushnames.add(ID="5522@s.whatsapp.net", pushname="Bob")
    assert told(made) == [
        PersonKnown(Party("5522@s.whatsapp.net", "1002@lid")),
        PersonKnown(Party("5522@s.whatsapp.net"), "Bob"),
    ]


def test_what_is_no_history_is_refused() -> None:
    with pytest.raises(ValueError, match="no history"):
        read_history(b"\xff\xff\xff", OWN)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_history_is_an_error(data: st.DataObject) -> None:
    made, chat = history(ID="1002@lid")
    fill(chat.messages.add(), data.draw, depth=5)
    fill(made, data.draw, depth=5)
    with suppress(ValueError):  # Required fields may be missing: then it is none.
        _, events = read_history(made.SerializePartialToString(), OWN)
        list(events)


def test_why_whatsapp_refused() -> None:
    assert "no recent conversation" in str(refusals.of_a_message("server returned error 463"))
    assert str(refusals.of_a_message("server returned error 479")) == "WhatsApp refused the message: error 479"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("success", ""), ("timeout", "ran out"), ("passkey-request", "passkey"), ("error", "refused")],
)
def test_why_no_phone_was_linked(outcome: str, words: str) -> None:
    reason = endings.linking(outcome).reason
    assert words in reason
    assert bool(reason) is bool(words)
    assert len(reason) <= 300, "what a state's row has room for"
