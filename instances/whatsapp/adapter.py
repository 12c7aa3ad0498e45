"""neonize, as this project sees it: the only file that imports it.

Nothing of neonize or protobuf goes past this door: what comes in leaves as the
plain values of `events`, and what goes out comes in as plain arguments. Traps
of the library that shaped the code are named where they bite; docs/wire.md has
the whole list.
"""

import ctypes
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from django.conf import settings

from chats import harmless
from instances.whatsapp import events as ev
from instances.whatsapp import mending, pools, receipts, refusals
from instances.whatsapp.custody import Custody
from instances.whatsapp.errors import (
    AdminsOnly,
    AdminsWrite,
    Blocked,
    LinkingFailed,
    NotAllowed,
    NotConnected,
    NotOnWhatsApp,
)
from instances.whatsapp.gate import Gate
from portal.libmagic import ensure as ensure_libmagic

ensure_libmagic()  # neonize imports python-magic, which must find the C library.

from google.protobuf.message import DecodeError  # noqa: E402
from neonize import client as neonize_client  # noqa: E402
from neonize import exc  # noqa: E402
from neonize._binder import ProxySettings, func_callback_bytes2  # noqa: E402
from neonize.client import NewClient  # noqa: E402
from neonize.events import (  # noqa: E402
    EVENT_TO_INT,
    BlocklistEv,
    CallOfferEv,
    ClientOutdatedEv,
    ConnectedEv,
    ConnectFailureEv,
    DisconnectedEv,
    GroupInfoEv,
    HistorySyncEv,
    JoinedGroupEv,
    LoggedOutEv,
    MessageEv,
    StreamErrorEv,
    StreamReplacedEv,
    TemporaryBanEv,
    UndecryptableMessageEv,
)
from neonize.proto import Neonize_pb2 as pb  # noqa: E402
from neonize.proto.Neonize_pb2 import LogEntry  # noqa: E402
from neonize.proto.waCommon.WACommon_pb2 import MessageKey  # noqa: E402
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps  # noqa: E402
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (  # noqa: E402
    KEEP_FOR_ALL,
    AudioMessage,
    ContextInfo,
    DocumentMessage,
    ExtendedTextMessage,
    ImageMessage,
    Message,
    MessageContextInfo,
    PinInChatMessage,
    ProtocolMessage,
    StickerMessage,
    VideoMessage,
)
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync  # noqa: E402
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import PinInChat, WebMessageInfo  # noqa: E402
from neonize.utils.enum import ClientName, ClientType, Presence, ReceiptType  # noqa: E402
from neonize.utils.log import log_whatsmeow  # noqa: E402

log = logging.getLogger(__name__)
logging.getLogger("neonize.utils.log").setLevel(logging.WARNING)

Listener = Callable[[ev.Event], None]

# How long a new client may take until it dials, and from there to its first
# sign of life; then it has written and read the library's maps long ago.
CREATION_SECONDS = 5.0
# How often one that may not come back looks whether it may.
RETURN_SECONDS = 0.1

# neonize opens "file:<name>?_foreign_keys=on" (goneonize main.go, getDB), so that
# a name may bring parameters of its own. A write-ahead log needs one fsync a
# step of the ratchet instead of three. FULL: a step lost in a power cut would be
# taken twice, and phones drop the second message of a step without a word.
STORE_OPTIONS = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&ignored="

# A stop waits this long after the last event, and this long at most.
QUIET_SECONDS = 0.2
DRAIN_SECONDS = 10.0

# Bytes of a piece of history, unpacked. Phones send some MB; the library unpacks whatever it gets (docs/wire.md).
MOST_HISTORY = 256 * 2**20

_gate = Gate()


class _Library:
    """The Go library as one client calls it, with a log of the client's own, at level DEBUG.

    Every line of it comes through here: receipts, what `custody` wants to see
    and the moment before it dials go to the client, warnings to neonize's log,
    the rest nowhere.
    """

    # Go may log when its client is long gone: what it calls must stay.
    _kept: ClassVar[list[Any]] = []
    # Among `Neonize`'s arguments (goneonize: main.go).
    _LEVEL, _LOG = 5, 9

    def __init__(self, library: Any, client: "Client") -> None:
        self._library = library
        # Not `client` itself: else it would stay as well.
        self._log = func_callback_bytes2(partial(_on_log, weakref.ref(client)))
        self._kept.append(self._log)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def Neonize(self, *arguments: Any) -> Any:  # noqa: N802
        """Run a client for its whole life."""
        changed = list(arguments)
        if isinstance(arguments[self._LOG], func_callback_bytes2):
            changed[self._LEVEL], changed[self._LOG] = b"DEBUG", self._log
        else:
            log.error("this version of neonize hands no log over: no ticks, and a kill may lose messages")
        return self._library.Neonize(*changed)


# How lines begin that somebody here reads.
_WANTED = (b"<message ", b"<receipt ", b"<ack ", b"Ignoring message ")


def _on_log(to: "weakref.ref[Client]", address: int, size: int) -> None:
    """One line of whatsmeow's log, on a thread of Go's that waits: never raise, and block only where custody does.

    And before it dials (socket/framesocket.go, Connect), where a newcomer is held, or dials anew (client.go,
    autoReconnect), where one that may not is.
    """
    try:
        line = ctypes.string_at(address, size)
        start = 1
        while line[start] & 0x80:  # The length of the message, seven bits a byte.
            start += 1
        client = to()
        if client is not None and line.startswith(b"Dialing ", start + 1):
            client.about_to_dial()
        elif client is not None and line.startswith(b"Automatically reconnecting ", start + 1):
            client.about_to_return()
        elif line.startswith(_WANTED, start + 1):
            entry = LogEntry.FromString(line)
            if client is not None:
                client.heard(entry.Name, mending.decoded(entry.Message))
            if entry.Level != "WARN":
                return
        if line.find(b"\x12\x05DEBUG") < 0 and line.find(b"\x12\x04INFO") < 0:
            log_whatsmeow(address, size)
    except Exception:
        log.exception("a line of whatsmeow's log could not be read")


# What the library calls the events that carry what others wrote (neonize: events.py).
_MESSAGE, _HISTORY = EVENT_TO_INT[MessageEv], EVENT_TO_INT[HistorySyncEv]
_UNDECRYPTABLE = EVENT_TO_INT[UndecryptableMessageEv]


def _on_event(
    to: "weakref.ref[Client]", execute: Callable[..., None], uuid: int, address: int, size: int, code: int
) -> None:
    """One event, on the thread that brings them: never raise, or it is lost without a word.

    History is not read here: it is kept as it came.
    """
    client = to()
    try:
        if code == _HISTORY and size > MOST_HISTORY:
            log.error("a piece of history of %d MB is left out: it is more than any phone sends", size >> 20)
            return
        if code == _HISTORY and client is not None:
            client.history(mending.part(ctypes.string_at(address, size), 1))
            return
        execute(uuid, address, size, code)
    except Exception as error:
        if isinstance(error, DecodeError):
            log.warning("an event of kind %s cannot be read, or is nested too deep: %s", code, error)
        else:
            log.exception("an event of kind %s was not taken in", code)
        if client is not None and code in (_MESSAGE, _UNDECRYPTABLE):
            client.not_taken_in(address, size, whole=code == _MESSAGE)


class _UntilItIsSet(threading.Event):
    """For `connect`, which looks five times a second whether its client has ended so that Ctrl+C is heard meanwhile.

    Nobody presses Ctrl+C on a thread of ours, and five hundred clients woke the process 2,500 times a second.
    """

    def wait(self, timeout: float | None = None) -> bool:  # what the library says
        return super().wait()


neonize_client.ThreadEvent = _UntilItIsSet


class _Neonize(NewClient):  # type: ignore[misc]
    """neonize's client, with the callbacks it offers no way to set.

    The library calls `__onLoginStatus` with the outcome of a QR login and
    prints the raw pointer; we want to know. Its log is one for all clients; we
    want one for each.
    """

    on_login_status: Callable[[str], None]

    def hear(self, client: "Client") -> None:
        """From now on the library's log goes to `client`."""
        library: Any = self._NewClient__client  # type: ignore[has-type]
        self._NewClient__client = _Library(library, client)
        self.event.execute = partial(_on_event, weakref.ref(client), self.event.execute)

    def _NewClient__onLoginStatus(self, uuid: int, status: int) -> None:  # noqa: N802
        self.on_login_status((ctypes.string_at(status) or b"").decode(errors="replace"))


class Client:
    """One live connection. Its listener is called on a thread of the library's, one event at a time.

    While the listener runs, the library takes in no further events (it buffers
    a hundred), and WhatsApp hears that we have a message when the listener has
    returned: one that writes before it returns loses nothing (`custody`).
    """

    # How many have been, in this process: the library keeps what it opened for each (docs/scaling.md).
    stopped: ClassVar[int] = 0

    def __init__(
        self,
        keys: str,
        uuid: str,
        listener: Listener,
        may_send: Callable[[], bool],
        proxy: str = "",
        custody: Custody | None = None,
    ) -> None:
        """`keys`: a SQLite file, or a PostgreSQL address. `may_send` is asked right before each message.

        `proxy`: an http, https or socks5 address, with its password; empty for this machine's own way out.
        """
        self._listener = listener
        self._may_send = may_send
        self._custody = custody or Custody(lambda _: True, lambda _: False)
        self._proxy = ProxySettings(proxy) if proxy else None
        self._made = threading.Event()
        self._may_dial = threading.Event()
        self._alive = threading.Event()
        self._stopping = False
        self._left = threading.Event()
        self._last_event = 0.0
        # By group: why a pin of ours would not be seen, None when it would.
        self._hindrances: dict[str, type[NotAllowed] | None] = {}
        # Whom the account has blocked, under either name; None: not asked yet.
        self._blocked: frozenset[str] | None = None
        props = DeviceProps(os="Pin Portal", platformType=DeviceProps.FIREFOX)
        self._keys = keys
        store = keys if keys.startswith("postgres") else f"{keys}{STORE_OPTIONS}"
        self._client = _Neonize(store, props=props, uuid=uuid)
        self._client.on_login_status = self._on_login_status
        self._client.hear(self)
        self._subscribe()
        # `connect` blocks for the client's whole life, and after an abandoned
        # QR login for ever (FetchMe polls for an id that never comes).
        self._thread = threading.Thread(target=self._run, name=f"whatsapp-{uuid[:8]}", daemon=True)

    def start(self) -> None:
        """Begin to connect, or to show QR codes when nothing is linked; returns when that is under way.

        Several may start at once, on threads of their own: they are made in turn and dial together.
        """
        with _gate.writing():
            self._thread.start()
            self._made.wait(CREATION_SECONDS)
        with _gate.dialing():
            self._may_dial.set()
            self._alive.wait(CREATION_SECONDS)

    def about_to_dial(self) -> None:
        """On the library's thread: it has been made, and waits until it may go on."""
        self._made.set()
        self._may_dial.wait()

    def about_to_return(self) -> None:
        """On the library's thread, which looks next whether we have disconnected: wait while we may not send.

        A process that stood still wakes up with its connection closed, and the library would be back, and put the new
        owner off the air, before anybody had seen that the lease is gone.
        """
        while not self._may_send() and not self._left.wait(RETURN_SECONDS):
            pass

    def _live(self) -> None:
        self._made.set()
        self._alive.set()

    def stop(self) -> None:
        """Close the connection, hand over what has been taken in, and let the client go. Keys stay.

        The library's own stop forgets the events in its buffer, whose messages
        WhatsApp will not send again. So the socket is closed first, and the
        stop waits until the buffer has run dry.
        """
        if self._stopping:
            return
        self._stopping = True
        _gate.passing()
        self._client.disconnect()
        self._left.set()
        self._custody.let_go()
        limit = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < limit and (self._custody.busy or time.monotonic() < self._last_event + QUIET_SECONDS):
            time.sleep(0.02)
        with _gate.writing():
            self._client.stop()
            Client.stopped += 1
        pools.close(self._keys)

    def pairing_code(self, phone: str) -> str:
        """Ask WhatsApp for an eight-letter code for this phone number. Raises LinkingFailed."""
        _gate.passing()
        try:
            code: str = self._client.PairPhone(phone, True, ClientName.LINUX, ClientType.FIREFOX)
        except exc.PairPhoneError as error:
            raise LinkingFailed(refusals.of_a_code(str(error))) from error
        return code

    def logout(self) -> None:
        """Unlink this device. Raises NotConnected when WhatsApp could not be told."""
        _gate.passing()
        try:
            self._client.logout()
        except exc.LogoutError as error:
            log.warning("logout: %s", error)
            raise NotConnected from error

    def be_online(self, online: bool) -> bool:
        """Tell contacts that we are here, or no longer. False when WhatsApp has not told us our own name yet."""
        _gate.passing()
        try:
            self._client.send_presence(Presence.AVAILABLE if online else Presence.UNAVAILABLE)
        except exc.SendPresenceError as error:
            log.debug("presence: %s", error)
            return False
        return True

    def mark_read(self, chat: str, sender: str, message_ids: list[str]) -> None:
        """Tell the sender that these messages of theirs were read. What WhatsApp does with it, it does not say."""
        _gate.passing()
        try:
            self._client.mark_read(*message_ids, chat=_jid(chat), sender=_jid(sender), receipt=ReceiptType.READ)
        except exc.MarkReadError as error:
            log.info("messages were not marked as read: %s", error)

    def reject_call(self, call: ev.CallOffered) -> None:
        """Let a caller hear that nobody takes the call."""
        _gate.passing()
        try:
            self._client.reject_call(_jid(call.caller), call.call_id)
        except exc.RejectCallError as error:
            log.info("a call was not rejected: %s", error)

    @property
    def connected(self) -> bool:
        """Whether the connection is up and logged in at this moment."""
        _gate.passing()
        return bool(self._client.is_connected()) and bool(self._client.is_logged_in())

    def group(self, jid: str) -> ev.GroupChanged | None:
        """What WhatsApp says of a group now; None when it does not say."""
        _gate.passing()
        try:
            return _group_joined(self._client.get_group_info(_jid(jid)))
        except exc.GetGroupInfoError as error:
            log.info("a group could not be looked up: %s", error)
            return None

    def send_pin(
        self, chat: str, message_id: str, from_me: bool, participant: str | None, duration: int | None
    ) -> tuple[str, datetime]:
        """Pin (`duration` in seconds) or unpin (None); returns the stanza's id and the time it says.

        Blocks until WhatsApp's server acknowledged, at most the library's own
        75 seconds. Raises NotConnected, NotAllowed or Refused (not sent), NotConfirmed.

        The message is built here because the library's `pin_message` can
        neither unpin nor leave the participant out. whatsmeow gives the stanza
        `edit="2"`, without which phones ignore a pin.
        """
        if participant is not None:
            self._check_group(chat)
        else:
            self._check_contact(chat)
        sent_at = datetime.now(UTC)
        key = MessageKey(remoteJID=chat, fromMe=from_me, ID=message_id)
        if participant is not None:
            key.participant = participant
        message = Message(
            pinInChatMessage=PinInChatMessage(
                key=key,
                type=PinInChatMessage.PIN_FOR_ALL if duration is not None else PinInChatMessage.UNPIN_FOR_ALL,
                senderTimestampMS=int(sent_at.timestamp() * 1000),
            )
        )
        if duration is not None:
            message.messageContextInfo.CopyFrom(MessageContextInfo(messageAddOnDurationInSecs=duration))
        self._pass_to_send()
        try:
            response = self._client.send_message(_jid(chat), message)
        except exc.SendMessageError as error:
            raise refusals.of_a_message(str(error)) from error
        return str(response.ID), sent_at

    def send_text(
        self, chat: str, text: str, quoted: tuple[str, str, str] | None, *, look_up: bool
    ) -> ev.MessageArrived:
        """Send a text, quoting (id, author, text) if given; returns it as if it had come in.

        Blocks as `send_pin` does. `look_up`: ask WhatsApp first who has this
        phone number, since its server acknowledges messages to nobody as well.
        Raises NotConnected, Busy, NotOnWhatsApp, NotAllowed or Refused (not sent), NotConfirmed.
        """
        to = self._whose_number(chat) if look_up and chat.endswith("@s.whatsapp.net") else _jid(chat)
        is_group = to.Server == "g.us"
        if not is_group:
            self._check_contact(_text(to))
        message = Message(conversation=text)
        if quoted is not None:
            stanza_id, author, words = quoted
            context = ContextInfo(stanzaID=stanza_id, participant=author, quotedMessage=Message(conversation=words))
            message = Message(extendedTextMessage=ExtendedTextMessage(text=text, contextInfo=context))
        self._pass_to_send()
        try:
            response = self._client.send_message(to, message)
            me = self._client.get_me()
        except exc.SendMessageError as error:
            raise refusals.of_a_message(str(error)) from error
        return ev.MessageArrived(
            message_id=response.ID,
            chat=ev.Party(_text(to)) if is_group else self._both_names(to),
            # Groups know us by our LID, as they do all members.
            sender=ev.Party(_text(me.LID), _text(me.JID)) if _text(me.LID) else ev.Party(_text(me.JID)),
            is_group=is_group,
            from_me=True,
            sent_at=datetime.fromtimestamp(response.Timestamp, UTC),
            kind="text",
            text=text,
            push_name=me.PushName,
            quoted_id=quoted[0] if quoted is not None else "",
        )

    def download(self, kind: str, path: str, key: bytes, sha256: bytes, encrypted_sha256: bytes) -> bytes:
        """Fetch a file from WhatsApp's media host, decrypt it and check its hashes.

        The library asks WhatsApp for the host; `path` only follows its name. It
        tries again by itself for about 15 s, and holds the whole file in memory.
        Raises NoMedia, MediaGone, MediaBroken, MediaUnreachable or NotConnected.
        """
        field, part = _DOWNLOADABLE[kind]
        media = part(directPath=path, fileSHA256=sha256)
        if key:
            media.mediaKey, media.fileEncSHA256 = key, encrypted_sha256
        _gate.passing()
        try:
            return bytes(self._client.download_any(Message(**{field: media})))
        except exc.DownloadError as error:
            raise refusals.of_a_file(str(error)) from None

    def _pass_to_send(self) -> None:
        """Last of all before a stanza. Raises NotConnected when another connector may hold the instance by now."""
        _gate.passing()
        if not self._may_send():
            raise NotConnected

    def _whose_number(self, chat: str) -> pb.JID:
        """The account that has a phone number; it may be spelled otherwise (Brazil's ninth digit)."""
        _gate.passing()
        try:
            found = self._client.is_on_whatsapp(f"+{chat.partition('@')[0]}")
        except exc.IsOnWhatsAppError as error:
            raise refusals.of_a_message(str(error)) from error
        for one in found:
            if one.IsIn:
                return _jid(_text(one.JID))
        raise NotOnWhatsApp

    def _both_names(self, jid: pb.JID) -> ev.Party:
        """A person's LID, by which phones know the chat, and their phone number beside it, where both are known."""
        _gate.passing()
        by_lid = jid.Server == "lid"
        with suppress(exc.GetJIDFromStoreError):
            other = self._client.get_pn_from_lid(jid) if by_lid else self._client.get_lid_from_pn(jid)
            if _text(other):
                return ev.Party(_text(jid), _text(other)) if by_lid else ev.Party(_text(other), _text(jid))
        return ev.Party(_text(jid))

    def _check_group(self, group: str) -> None:
        """See whether the other members' phones will show a pin of ours: WhatsApp's server does not check.

        Asked once a group, and again after every change that WhatsApp tells of.
        Raises NotAllowed.
        """
        if group not in self._hindrances:
            _gate.passing()
            try:
                info = self._client.get_group_info(_jid(group))
                me = self._client.get_me()
            except exc.GetGroupInfoError as error:
                raise refusals.of_a_message(str(error)) from error
            self._hindrances[group] = _hindrance(info, {_text(me.JID), _text(me.LID)})
        hindrance = self._hindrances.get(group)
        if hindrance is not None:
            raise hindrance

    def _check_contact(self, chat: str) -> None:
        """Raise Blocked if the account has blocked this contact. Asked once, and again after every change."""
        blocked = self._blocked
        if blocked is None:
            _gate.passing()
            try:
                listed = self._client.get_blocklist().JIDs
            except exc.GetBlocklistError as error:
                log.info("the list of blocked contacts could not be had: %s", error)
                listed = []
            blocked = self._blocked = frozenset(map(_text, listed))
        if not blocked:
            return
        names = self._both_names(_jid(chat))
        if blocked & {names.jid, names.alt}:
            raise Blocked

    def _blocklist_changed(self, _: pb.BlocklistEvent) -> None:
        self._blocked = None

    def _group_changed(self, event: pb.GroupInfoEvent) -> ev.GroupChanged:
        self._hindrances.pop(_text(event.JID), None)
        return _group_change(event)

    def heard(self, name: str, line: str) -> None:
        """A line of the library's log; see `receipts` and `custody`."""
        if settings.RECEIPTS and name == "Client/Recv" and (arrived := receipts.read(line)) is not None:
            self._tell(arrived)
        self._custody.line(name, line)

    def history(self, payload: bytes) -> None:
        """A piece of the phone's history, on the library's thread."""
        with self._taking_in("", True):
            self._tell(ev.HistoryArrived(payload))

    def not_taken_in(self, address: int, size: int, *, whole: bool) -> None:
        """On the library's thread: of a message that could not be read or kept, keep the outside, as phones do.

        If even that cannot be kept, WhatsApp does not hear that we have it, and gives it again at the next connection.
        """
        message_id = ""
        try:
            info = pb.MessageInfo.FromString(mending.part(ctypes.string_at(address, size), 1))
            mending.mend_texts(info)
            message_id = info.ID
            with self._taking_in(message_id, whole):
                self._listener(_arrived(info, "unreadable", "", {}))
        except Exception:
            log.exception("a message could not be kept: it is not confirmed, and comes again at the next connection")
            self._custody.failed(message_id)

    @contextmanager
    def _taking_in(self, message_id: str, whole: bool) -> Iterator[None]:
        self._live()
        self._last_event = time.monotonic()
        with self._custody.taking_in(message_id, whole):
            yield
        self._last_event = time.monotonic()

    def _run(self) -> None:
        error = ""
        try:
            self._client.connect(self._proxy)
        except Exception as fault:
            error = str(fault) or type(fault).__name__
        finally:
            self._live()
            self._tell(ev.Stopped("" if self._stopping else error or "the client library ended"))

    def _tell(self, event: ev.Event) -> None:
        try:
            self._listener(event)
        except Exception:
            # An exception must not travel into the Go library.
            log.exception("an event of %s was not taken in", type(event).__name__)

    def _on_login_status(self, status: str) -> None:
        self._tell(ev.QrEnded(status))

    def _subscribe(self) -> None:
        client = self._client

        def on_qr(_: NewClient, text: bytes) -> None:
            self._live()
            self._tell(ev.QrCode(text.decode()))

        client.event.qr(on_qr)

        def on(kind: type[Any], translate: Callable[[Any], ev.Event | None]) -> None:
            # The library holds handlers weakly in places: a closure kept by
            # its own table stays.
            def handler(_: NewClient, event: Any) -> None:
                # "Raw" is the same once more, for nobody here.
                mending.mend_texts(event, leave_out=("Raw",))
                with self._taking_in(*_carried(event)):
                    # A fault of ours goes up to `_on_event`: what was not kept must not count as taken in.
                    translated = translate(event)
                    if translated is not None:
                        self._listener(translated)

            client.event(kind)(handler)

        on(ConnectedEv, lambda _: self._me())
        on(DisconnectedEv, lambda _: ev.Disconnected())
        on(LoggedOutEv, _logged_out)
        on(StreamReplacedEv, lambda _: ev.Replaced())
        on(TemporaryBanEv, lambda e: ev.Banned(_reason(pb.TemporaryBan.TempBanReason.Name(e.Code)), e.Expire))
        on(ClientOutdatedEv, lambda _: ev.Outdated())
        on(ConnectFailureEv, lambda e: ev.ConnectFailed(e.Message or _reason(pb.ConnectFailureReason.Name(e.Reason))))
        on(StreamErrorEv, lambda e: ev.ConnectFailed(f"stream error {e.Code}"))
        on(CallOfferEv, lambda e: ev.CallOffered(e.basicCallMeta.callID, _text(e.basicCallMeta.callCreator)))
        on(MessageEv, _message)
        on(UndecryptableMessageEv, _unreadable)
        on(GroupInfoEv, self._group_changed)
        on(BlocklistEv, self._blocklist_changed)
        on(HistorySyncEv, lambda _: None)  # Wanted, and taken before it is read: `_on_event`.
        on(JoinedGroupEv, lambda e: _group_joined(e.GroupInfo))

    def _me(self) -> ev.Connected:
        _gate.passing()
        me = self._client.get_me()
        return ev.Connected(_text(me.JID), _text(me.LID), me.PushName)


# --- Endings ---------------------------------------------------------------


def _logged_out(event: pb.LoggedOut) -> ev.LoggedOut:
    # WhatsApp Web's own names for 403 and 406 are "locked" and "banned" (whatsmeow, types/events).
    match pb.ConnectFailureReason.Name(event.Reason):
        case "MAIN_DEVICE_GONE":
            return ev.LoggedOut("WhatsApp has locked this account", banned=True)
        case "UNKNOWN_LOGOUT":
            return ev.LoggedOut("WhatsApp has banned this number", banned=True)
    return ev.LoggedOut("")


def _reason(name: str) -> str:
    return name.replace("_", " ").lower()


# --- JIDs ------------------------------------------------------------------


def _text(jid: pb.JID) -> str:
    """`user@server` without the device; empty when there is none."""
    return "" if jid.IsEmpty or not jid.Server else f"{jid.User}@{jid.Server}"


def _jid(text: str) -> pb.JID:
    user, _, server = text.rpartition("@")
    return pb.JID(User=user, Server=server, RawAgent=0, Device=0, Integrator=0, IsEmpty=False)


# --- Messages --------------------------------------------------------------


def _time(seconds: float) -> datetime:
    """Seconds since 1970 as a time; now, when they are no time at which anybody can have written."""
    last = harmless.LATEST.timestamp()
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < last else datetime.now(UTC)


def _message(event: pb.Message) -> ev.MessageArrived | None:
    info, message = event.Info, _unwrapped(event.Message)
    kind, text, data = _content(message)
    if kind is None:
        return None
    return replace(_arrived(info, kind, text, data), **_about_others(kind, message))


def _about_others(kind: str, message: Message) -> dict[str, Any]:
    """What a message says of other messages: the quoted one, or the one it acts on."""
    found: dict[str, Any] = {}
    context = _context(message)
    if context is not None and context.stanzaID:
        found["quoted_id"] = context.stanzaID
    target = _target(message)
    if target is not None:
        found["target"] = target
    if kind == "pin":
        seconds = message.messageContextInfo.messageAddOnDurationInSecs
        pinning = message.pinInChatMessage.type == PinInChatMessage.PIN_FOR_ALL
        # A pin without a duration is WhatsApp's default of seven days.
        found["pin_duration"] = (seconds or 604_800) if pinning else None
    if context is not None and context.expiration and kind not in _ACTING:
        found["disappears_after"] = context.expiration
    return found


# What acts on another message does not disappear by itself.
_ACTING = ("pin", "keep", "edit", "delete", "reaction", "poll_vote")


def _unwrapped(message: Message, depth: int = 5) -> Message:
    """The message inside its envelopes; whatsmeow leaves those of an album's pictures, mentions and newer polls."""
    for field, value in message.ListFields():
        if depth and field.message_type is not None and field.message_type.name == "FutureProofMessage":
            return _unwrapped(value.message, depth - 1)
    return message


def _carried(event: Any) -> tuple[str, bool]:
    """The id of the message an event brings, and whether it brings more than keys."""
    if isinstance(event, pb.Message):
        return event.Info.ID, not {field.name for field, _ in event.Message.ListFields()} <= _KEYS_ALONE
    if isinstance(event, pb.UndecryptableMessage):
        return event.Info.ID, False
    return "", False


def _unreadable(event: pb.UndecryptableMessage) -> ev.MessageArrived:
    return _arrived(event.Info, "unreadable", "", {})


def _arrived(info: pb.MessageInfo, kind: str, text: str, data: dict[str, Any]) -> ev.MessageArrived:
    source = info.MessageSource
    sender = ev.Party(_text(source.Sender), _text(source.SenderAlt))
    other_side = source.RecipientAlt if source.IsFromMe else source.SenderAlt
    return ev.MessageArrived(
        message_id=info.ID,
        chat=ev.Party(_text(source.Chat), "" if source.IsGroup else _text(other_side)),
        sender=sender,
        is_group=source.IsGroup,
        from_me=source.IsFromMe,
        # Milliseconds; WhatsApp itself counts in whole seconds.
        sent_at=_time(info.Timestamp / 1000),
        kind=kind,
        text=text,
        push_name=info.Pushname,
        data=data,
    )


Content = tuple[str | None, str, dict[str, Any]]


def _content(message: Message) -> Content:
    """Kind, searchable text and what else to keep; kind None for what is no message to people."""
    has = {field.name for field, _ in message.ListFields()}
    for field, read in _READERS.items():
        if field in has:
            return read(getattr(message, field))
    # In groups a message comes twice: once with nothing but the sender's key.
    if has <= _KEYS_ALONE:
        return None, "", {}
    return "other", "", {"fields": sorted(has - {"messageContextInfo"})}


_KEYS_ALONE = {"senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "messageContextInfo"}


def _says(kind: str, *fields: str) -> Callable[[Any], Content]:
    """A reader for what says something in one or more text fields."""
    return lambda part: (kind, _lines(*(getattr(part, field) for field in fields)), {})


def _lines(*texts: str) -> str:
    return "\n".join(filter(None, texts))


def _poll(poll: Any) -> Content:
    options = [option.optionName for option in poll.options]
    return "poll", _lines(poll.name, *options), {"options": options}


def _place(*fields: str) -> Callable[[Any], Content]:
    def read(place: Any) -> Content:
        where = {"latitude": place.degreesLatitude, "longitude": place.degreesLongitude}
        return "location", _lines(*(getattr(place, field) for field in fields)), where

    return read


def _contacts(contacts: Any) -> Content:
    return "contact", _lines(*(one.displayName for one in contacts)), {"vcards": [one.vcard for one in contacts]}


def _media(kind: str, media: Any) -> Content:
    """Media is kept as a reference with its key; nothing is downloaded here."""
    fields = {field.name for field, _ in media.ListFields()}
    if kind == "audio" and media.PTT:
        kind = "voice"
    data: dict[str, Any] = {"mimetype": media.mimetype, "length": media.fileLength}
    data["path"] = media.directPath
    for name, field in (("key", "mediaKey"), ("sha256", "fileSHA256"), ("encrypted_sha256", "fileEncSHA256")):
        data[name] = getattr(media, field).hex()
    for field in ("fileName", "title", "seconds", "width", "height", "viewOnce"):
        if field in fields:
            data[field] = getattr(media, field)
    caption = media.caption if "caption" in fields else ""
    name = data.get("fileName") or data.get("title") or ""
    return kind, _lines(caption, name), data


# Which field of a message a file is fetched as; its key is derived by the name of that.
_DOWNLOADABLE: dict[str, tuple[str, type[Any]]] = {
    "image": ("imageMessage", ImageMessage),
    "video": ("videoMessage", VideoMessage),
    "audio": ("audioMessage", AudioMessage),
    "voice": ("audioMessage", AudioMessage),
    "document": ("documentMessage", DocumentMessage),
    "sticker": ("stickerMessage", StickerMessage),
}


def _protocol(message: ProtocolMessage) -> Content:
    if message.type == ProtocolMessage.REVOKE and message.HasField("key"):
        return "delete", "", {}
    if message.type == ProtocolMessage.MESSAGE_EDIT:
        _, text, _ = _content(message.editedMessage)
        return "edit", text, {}
    if message.type == ProtocolMessage.EPHEMERAL_SETTING:
        seconds = message.ephemeralExpiration
        words = f"Disappearing messages: {seconds // 3600} hours" if seconds else "Disappearing messages: off"
        return "system", words, {}
    return None, "", {}  # Keys, history notices and the like: between devices.


# Which field of a message makes it what it is, in the order they are looked for.
_READERS: dict[str, Callable[[Any], Content]] = {
    "conversation": lambda text: ("text", text, {}),
    "extendedTextMessage": _says("text", "text"),
    "imageMessage": partial(_media, "image"),
    "videoMessage": partial(_media, "video"),
    "ptvMessage": partial(_media, "video"),
    "documentMessage": partial(_media, "document"),
    "stickerMessage": partial(_media, "sticker"),
    "audioMessage": partial(_media, "audio"),
    **{f"pollCreationMessage{version}": _poll for version in ("", "V2", "V3", "V5", "V6")},
    "reactionMessage": _says("reaction", "text"),
    "encReactionMessage": _says("reaction"),
    "pinInChatMessage": _says("pin"),
    "keepInChatMessage": lambda keep: ("keep", "", {"kept": keep.keepType == KEEP_FOR_ALL}),
    "protocolMessage": _protocol,
    "pollUpdateMessage": _says("poll_vote"),
    "locationMessage": _place("name", "address", "comment"),
    "liveLocationMessage": _place("caption"),
    "contactMessage": lambda contact: _contacts([contact]),
    "contactsArrayMessage": lambda several: _contacts(several.contacts),
    "eventMessage": _says("event", "name", "description"),
    "groupInviteMessage": _says("other", "groupName", "caption"),
    "templateButtonReplyMessage": _says("text", "selectedDisplayText"),
    "buttonsResponseMessage": _says("text", "selectedDisplayText"),
    "listResponseMessage": _says("text", "title"),
}


def _target(message: Message) -> ev.Target | None:
    for field in ("reactionMessage", "pinInChatMessage", "keepInChatMessage", "protocolMessage", "encReactionMessage"):
        if message.HasField(field):
            part = getattr(message, field)
            key = part.key if field != "encReactionMessage" else part.targetMessageKey
            return ev.Target(key.ID, key.fromMe, key.participant) if key.ID else None
    if message.HasField("pollUpdateMessage"):
        key = message.pollUpdateMessage.pollCreationMessageKey
        return ev.Target(key.ID, key.fromMe, key.participant)
    return None


def _context(message: Message) -> ContextInfo | None:
    for field, value in message.ListFields():
        may_have = field.message_type is not None and "contextInfo" in field.message_type.fields_by_name
        if may_have and not field.is_repeated and value.HasField("contextInfo"):
            context: ContextInfo = value.contextInfo
            return context
    return None


# --- History ---------------------------------------------------------------


def read_history(payload: bytes, own: ev.Party) -> tuple[int, Iterator[ev.Stored]]:
    """Open a piece of history: how far along the phone says it is (percent), and what it tells.

    `own`: our two names. Raises ValueError when it is no history at all; a
    message in it that cannot be read is skipped and logged.
    """
    try:
        history = HistorySync.FromString(payload)
    except DecodeError as error:
        # One message that is too deep must not cost all others.
        try:
            history = HistorySync.FromString(mending.shallow(payload, HistorySync, ("conversations", "messages")))
        except (DecodeError, ValueError):
            raise ValueError("this is no history of WhatsApp's") from error
        log.warning("of a piece of history, what is nested too deep was left out")
    return history.progress, _told(history, own)


def _told(history: HistorySync, own: ev.Party) -> Iterator[ev.Stored]:
    mending.mend_texts(history)
    for pair in history.phoneNumberToLidMappings:
        yield ev.PersonKnown(ev.Party(pair.pnJID, pair.lidJID))
    for name in history.pushnames:
        yield ev.PersonKnown(ev.Party(name.ID), name.pushname)
    for conversation in history.conversations:
        if not conversation.ID:
            continue
        names = [name for name in (conversation.ID, conversation.lidJID, conversation.pnJID) if name]
        chat = ev.Party(conversation.ID, next((name for name in names if name != conversation.ID), ""))
        group = conversation.ID.endswith("@g.us")
        if group and conversation.name:
            yield ev.GroupChanged(conversation.ID, datetime.now(UTC), name=conversation.name)
        elif not group and chat.alt:
            yield ev.PersonKnown(chat)
        for wrapped in conversation.messages:
            try:
                yield from _past(wrapped.message, chat, group, own)
            except Exception:
                log.exception("a message of the history could not be read")


# WebMessageInfo's: acknowledged by the server, by the other side's device, read, played.
_STATUSES = {
    WebMessageInfo.SERVER_ACK: 1,
    WebMessageInfo.DELIVERY_ACK: 2,
    WebMessageInfo.READ: 3,
    WebMessageInfo.PLAYED: 4,
}


def _past(past: WebMessageInfo, chat: ev.Party, group: bool, own: ev.Party) -> Iterator[ev.Stored]:
    """A message of the past, and its pin if it has one."""
    message = _unwrapped(past.message)
    kind, text, data = _content(message)
    if kind is None or not past.key.ID:
        return
    author = ev.Party(past.key.participant or past.participant) if group else chat
    arrived = ev.MessageArrived(
        message_id=past.key.ID,
        chat=chat,
        sender=own if past.key.fromMe else author,
        is_group=group,
        from_me=past.key.fromMe,
        sent_at=_time(past.messageTimestamp),
        kind=kind,
        text=text,
        push_name="" if past.key.fromMe else past.pushName,
        status=_STATUSES.get(past.status) if past.key.fromMe else None,
        data=data,
    )
    yield replace(arrived, **_about_others(kind, message))
    if past.HasField("pinInChat"):
        yield _past_pin(arrived, past.pinInChat, own)


def _past_pin(pinned: ev.MessageArrived, pin: PinInChat, own: ev.Party) -> ev.MessageArrived:
    """The pin under which the phone shows a message, as if it had just been told."""
    seconds = pin.messageAddOnContextInfo.messageAddOnDurationInSecs
    return replace(
        pinned,
        message_id=f"pin-{pinned.message_id}-{pin.serverTimestampMS or pin.senderTimestampMS}",
        sender=own if pin.key.fromMe else pinned.chat,
        from_me=pin.key.fromMe,
        sent_at=_time((pin.senderTimestampMS or pin.serverTimestampMS) / 1000),
        kind="pin",
        text="",
        push_name="",
        data={},
        target=ev.Target(pinned.message_id, by_same_author=False),
        pin_duration=(seconds or 604_800) if pin.type == PinInChat.PIN_FOR_ALL else None,
    )


# --- Groups ----------------------------------------------------------------


def _group_joined(group: pb.GroupInfo) -> ev.GroupChanged:
    people = []
    admins: set[str] = set()
    for one in group.Participants:
        jid, lid, phone = _text(one.JID), _text(one.LID), _text(one.PhoneNumber)
        if one.IsAdmin or one.IsSuperAdmin:
            admins.update({jid, lid, phone} - {""})
        people.append(ev.Party(phone or jid, lid if lid != (phone or jid) else ""))
    return ev.GroupChanged(
        jid=_text(group.JID),
        at=datetime.now(UTC),
        name=group.GroupName.Name,
        locked=group.GroupLocked.isLocked,
        announce=group.GroupAnnounce.IsAnnounce,
        admins=tuple(sorted(admins)),
        people=tuple(people),
    )


def _hindrance(group: pb.GroupInfo, own: set[str]) -> type[NotAllowed] | None:
    """Why a pin by `own` would not be seen in a group: its rules bind whoever is no admin."""
    for one in group.Participants:
        ours = own & {_text(one.JID), _text(one.LID), _text(one.PhoneNumber)}
        if ours - {""} and (one.IsAdmin or one.IsSuperAdmin):
            return None
    if group.GroupAnnounce.IsAnnounce:
        return AdminsWrite
    return AdminsOnly if group.GroupLocked.isLocked else None


def _group_change(event: pb.GroupInfoEvent) -> ev.GroupChanged:
    words = []
    change: dict[str, Any] = {}
    if event.HasField("Name"):
        words.append(f"changed the group's name to “{event.Name.Name}”")
        change["name"] = event.Name.Name
    if event.HasField("Topic"):
        words.append("changed the group's description")
        change["description"] = event.Topic.Topic
    if event.HasField("Locked"):
        words.append(
            "let only admins change the group" if event.Locked.isLocked else "let all members change the group"
        )
        change["locked"] = event.Locked.isLocked
    if event.HasField("Announce"):
        words.append("let only admins write" if event.Announce.IsAnnounce else "let all members write")
        change["announce"] = event.Announce.IsAnnounce
    for people, name, what in (
        (event.Join, "added", "added {}"),
        (event.Leave, "removed", "removed {}"),
        (event.Promote, "promoted", "made {} an admin"),
        (event.Demote, "demoted", "made {} no longer an admin"),
    ):
        if people:
            change[name] = [_text(jid) for jid in people]
            words.append(what.format(", ".join(jid.User for jid in people)))
    return ev.GroupChanged(
        jid=_text(event.JID),
        at=_time(event.Timestamp),
        name=event.Name.Name if event.HasField("Name") else None,
        locked=event.Locked.isLocked if event.HasField("Locked") else None,
        announce=event.Announce.IsAnnounce if event.HasField("Announce") else None,
        text="; ".join(words),
        actor=ev.Party(_text(event.Sender)) if event.HasField("Sender") else None,
        change=change,
    )
