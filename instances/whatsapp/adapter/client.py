"""One live connection to WhatsApp."""

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from neonize import exc
from neonize._binder import ProxySettings
from neonize.client import NewClient
from neonize.events import (
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
from neonize.proto import Neonize_pb2 as pb
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.utils.enum import ClientName, ClientType, Presence, ReceiptType

from instances.whatsapp import events as ev
from instances.whatsapp import pools
from instances.whatsapp.adapter import endings, groups, jids, mending, messages, outgoing, receipts, refusals
from instances.whatsapp.adapter.gate import gate
from instances.whatsapp.adapter.hindrances import Hindrances
from instances.whatsapp.adapter.library import Neonize
from instances.whatsapp.adapter.people import People
from instances.whatsapp.adapter.shut import Shut
from instances.whatsapp.custody import Custody
from instances.whatsapp.errors import Busy, LinkingFailed, NotConnected

log = logging.getLogger(__name__)

Listener = Callable[[ev.Event], None]
# Whether what was ordered may still be sent.
InTime = Callable[[], bool]

# How long a new client may take until it dials, and from there to its first
# sign of life; then it has written and read the library's maps long ago.
CREATION_SECONDS = 5.0
# How often one that may not come back looks whether it may.
RETURN_SECONDS = 0.1

# neonize opens "file:<name>?_foreign_keys=on" (goneonize main.go, getDB), so that
# a name may bring parameters of its own. A write-ahead log needs one fsync a
# step of the ratchet instead of three. FULL: a step lost in a power cut would be
# taken twice, and phones drop the second message of a step without a word.
# Of a file's pages each of the two connections would keep up to 2 MB: of
# hundreds of accounts that is a gigabyte which the kernel has already.
STORE_OPTIONS = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&_cache_size=-64&ignored="

# A stop waits this long after the last event, and this long at most.
QUIET_SECONDS = 0.2
DRAIN_SECONDS = 10.0


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
        shut: Shut | None = None,
    ) -> None:
        """`keys`: a SQLite file, or a PostgreSQL address. `may_send` is asked right before each message.

        `proxy`: an http, https or socks5 address, with its password; empty for this machine's own way out.
        `shut`: where edits wait that cannot be opened yet.
        """
        self._listener = listener
        self._may_send = may_send
        self._custody = custody or Custody(lambda _: True, lambda _: False)
        self._shut = shut or Shut(lambda *_: ([], []))
        self._proxy = ProxySettings(proxy) if proxy else None
        self._made = threading.Event()
        self._may_dial = threading.Event()
        self._alive = threading.Event()
        self._stopping = False
        self._leaving = threading.Lock()
        self._left = threading.Event()
        self._last_event = 0.0
        props = DeviceProps(os="Pin Portal", platformType=DeviceProps.FIREFOX)
        self._keys = keys
        store = keys if keys.startswith("postgres") else f"{keys}{STORE_OPTIONS}"
        self._client = Neonize(store, props=props, uuid=uuid)
        self._people = People(self._client)
        self._hindrances = Hindrances(self._client, self._people)
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
        with gate.writing():
            self._thread.start()
            self._made.wait(CREATION_SECONDS)
        with gate.dialing():
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

    def leave(self) -> None:
        """Off the air, at once; `stop` must follow. A second time it does nothing."""
        with self._leaving:
            if self._left.is_set():
                return
            gate.passing()
            self._client.disconnect()
            self._left.set()
            self._custody.let_go()

    def stop(self) -> None:
        """Close the connection, hand over what has been taken in, and let the client go. Keys stay.

        The library's own stop forgets the events in its buffer, whose messages
        WhatsApp will not send again. So the socket is closed first, and the
        stop waits until the buffer has run dry.
        """
        if self._stopping:
            return
        self._stopping = True
        self.leave()
        limit = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < limit and (self._custody.busy or time.monotonic() < self._last_event + QUIET_SECONDS):
            time.sleep(0.02)
        with gate.writing():
            self._client.stop()
            Client.stopped += 1
        pools.close(self._keys)

    def pairing_code(self, phone: str) -> str:
        """Ask WhatsApp for an eight-letter code for this phone number. Raises LinkingFailed."""
        gate.passing()
        try:
            code: str = self._client.PairPhone(phone, True, ClientName.LINUX, ClientType.FIREFOX)
        except exc.PairPhoneError as error:
            raise LinkingFailed(refusals.of_a_code(str(error))) from error
        return code

    def logout(self) -> None:
        """Unlink this device. Raises NotConnected when WhatsApp could not be told."""
        gate.passing()
        try:
            self._client.logout()
        except exc.LogoutError as error:
            log.warning("logout: %s", error)
            raise NotConnected from error

    def be_online(self, online: bool) -> bool:
        """Tell contacts that we are here, or no longer. False when WhatsApp has not told us our own name yet."""
        try:
            self._pass_to_send()
            self._client.send_presence(Presence.AVAILABLE if online else Presence.UNAVAILABLE)
        except (exc.SendPresenceError, NotConnected) as error:
            log.debug("presence: %s", error)
            return False
        return True

    def mark_read(self, chat: str, sender: str, message_ids: list[str]) -> None:
        """Tell the sender that these messages of theirs were read. What WhatsApp does with it, it does not say."""
        try:
            self._pass_to_send()
            self._client.mark_read(*message_ids, chat=jids.of(chat), sender=jids.of(sender), receipt=ReceiptType.READ)
        except (exc.MarkReadError, NotConnected) as error:
            log.info("messages were not marked as read: %s", error)

    def reject_call(self, call: ev.CallOffered) -> None:
        """Let a caller hear that nobody takes the call."""
        try:
            self._pass_to_send()
            self._client.reject_call(jids.of(call.caller), call.call_id)
        except (exc.RejectCallError, NotConnected) as error:
            log.info("a call was not rejected: %s", error)

    def group(self, jid: str) -> ev.GroupChanged | None:
        """What WhatsApp says of a group now; None when it does not say."""
        gate.passing()
        try:
            return groups.joined(self._client.get_group_info(jids.of(jid)))
        except exc.GetGroupInfoError as error:
            log.info("a group could not be looked up: %s", error)
            return None

    def send_pin(
        self,
        chat: str,
        message_id: str,
        from_me: bool,
        participant: str | None,
        duration: int | None,
        in_time: InTime,
    ) -> tuple[str, datetime]:
        """Pin (`duration` in seconds) or unpin (None); returns the stanza's id and the time it says.

        Blocks until WhatsApp's server acknowledged, at most the library's own
        75 seconds. `in_time` is asked right before the stanza: WhatsApp may have been asked for something first.
        Raises NotConnected, Busy, NotAllowed or Refused (not sent), NotConfirmed.
        """
        if participant is not None:
            self._hindrances.check_group(chat)
        else:
            self._hindrances.check_contact(chat)
        sent_at = datetime.now(UTC)
        message = outgoing.pin(chat, message_id, from_me, participant, duration, sent_at)
        return str(self._put_on_wire(jids.of(chat), message, in_time).ID), sent_at

    def send_text(
        self, chat: str, text: str, quoted: tuple[str, str, str] | None, *, look_up: bool, in_time: InTime
    ) -> ev.MessageArrived:
        """Send a text, quoting (id, author, text) if given; returns it as if it had come in.

        Blocks as `send_pin` does. `look_up`: ask WhatsApp first who has this
        phone number, since its server acknowledges messages to nobody as well.
        Raises NotConnected, Busy, NotOnWhatsApp, NotAllowed or Refused (not sent), NotConfirmed.
        """
        to = self._people.with_number(chat) if look_up and chat.endswith("@s.whatsapp.net") else jids.of(chat)
        is_group = to.Server == "g.us"
        if not is_group:
            self._hindrances.check_contact(jids.text(to))
        response = self._put_on_wire(to, outgoing.text(text, quoted), in_time)
        me = self._client.get_me()
        return ev.MessageArrived(
            message_id=response.ID,
            chat=ev.Party(jids.text(to)) if is_group else self._people.both_names(to),
            # Groups know us by our LID, as they do all members.
            sender=ev.Party(jids.text(me.LID), jids.text(me.JID)) if jids.text(me.LID) else ev.Party(jids.text(me.JID)),
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
        gate.passing()
        try:
            return bytes(self._client.download_any(outgoing.file(kind, path, key, sha256, encrypted_sha256)))
        except exc.DownloadError as error:
            raise refusals.of_a_file(str(error)) from None

    def _put_on_wire(self, to: pb.JID, message: Message, in_time: InTime) -> pb.SendResponse:
        """Put a message on the wire, and wait for the acknowledgement. Raises as `send_pin` does."""
        try:
            with self._custody.sending():
                self._pass_to_send(in_time)
                return self._client.send_message(to, message)
        except exc.SendMessageError as error:
            raise refusals.of_a_message(str(error)) from error

    def _pass_to_send(self, in_time: InTime = lambda: True) -> None:
        """Last of all before a stanza.

        Raises NotConnected when another connector may hold the instance by now, Busy when its time is over.
        """
        gate.passing()
        if not self._may_send():
            raise NotConnected
        if not in_time():
            raise Busy

    def _blocklist_changed(self, _: pb.BlocklistEvent) -> None:
        self._hindrances.blocklist_changed()

    def _group_changed(self, event: pb.GroupInfoEvent) -> ev.GroupChanged:
        self._hindrances.group_changed(jids.text(event.JID))
        return groups.changed(event)

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
                self._listener(messages.arrived(info, "unreadable", "", {}))
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
        self._tell(endings.linking(status))

    def _subscribe(self) -> None:
        client = self._client

        def on_qr(_: NewClient, text: bytes) -> None:
            self._live()
            self._tell(ev.QrCode(text.decode()))

        client.event.qr(on_qr)

        def on(
            kind: type[Any],
            translate: Callable[[Any], ev.Event | None],
            after: Callable[[Any, Any], None] = lambda *_: None,
        ) -> None:
            # The library holds handlers weakly in places: a closure kept by
            # its own table stays.
            def handler(_: NewClient, event: Any) -> None:
                # "Raw" is the same once more, for nobody here.
                mending.mend_texts(event, leave_out=("Raw",))
                with self._taking_in(*messages.carried(event)):
                    # A fault of ours goes up to `library.on_event`: what was not kept must not count as taken in.
                    translated = translate(event)
                    if translated is not None:
                        self._listener(translated)
                after(event, translated)

            client.event(kind)(handler)

        on(ConnectedEv, lambda _: self._me())
        on(DisconnectedEv, lambda _: ev.Disconnected())
        on(LoggedOutEv, endings.logged_out)
        on(StreamReplacedEv, lambda _: ev.Replaced())
        on(TemporaryBanEv, endings.banned)
        on(ClientOutdatedEv, lambda _: ev.Outdated())
        on(ConnectFailureEv, endings.connect_failed)
        on(StreamErrorEv, lambda e: ev.ConnectFailed(f"stream error {e.Code}"))
        on(CallOfferEv, lambda e: ev.CallOffered(e.basicCallMeta.callID, jids.text(e.basicCallMeta.callCreator)))
        on(MessageEv, self._shut.read, self._stays_shut)
        on(UndecryptableMessageEv, messages.unreadable)
        on(GroupInfoEv, self._group_changed)
        on(BlocklistEv, self._blocklist_changed)
        on(HistorySyncEv, lambda _: None)  # Wanted, and taken before it is read: `library.on_event`.
        on(JoinedGroupEv, lambda e: groups.joined(e.GroupInfo))

    def _stays_shut(self, event: pb.Message, read: ev.MessageArrived | None) -> None:
        if read is not None and read.data.get("unread") and messages.is_sealed(event) and self._shut.keep(event):
            self._tell(ev.StaysShut(event.Info.ID))

    def _me(self) -> ev.Connected:
        gate.passing()
        me = self._client.get_me()
        return ev.Connected(jids.text(me.JID), jids.text(me.LID), me.PushName)
