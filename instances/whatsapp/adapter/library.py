"""The library's Python side with what it lacks: a log for each client, a login's outcome, events that may be broken."""

import ctypes
import logging
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Protocol

from google.protobuf.message import DecodeError
from neonize import client as neonize_client
from neonize._binder import func_callback_bytes2
from neonize.client import NewClient
from neonize.events import EVENT_TO_INT, HistorySyncEv, MessageEv, UndecryptableMessageEv
from neonize.proto.Neonize_pb2 import LogEntry
from neonize.utils.log import log_whatsmeow

from instances.whatsapp.adapter import mending

log = logging.getLogger(__name__)
logging.getLogger("neonize.utils.log").setLevel(logging.WARNING)

# Bytes of a piece of history, unpacked. Phones send some MB; the library unpacks whatever it gets (docs/wire.md).
MOST_HISTORY = 256 * 2**20


class Ear(Protocol):
    """Who hears what the library says beside its events; each is called on a thread of the library's."""

    def about_to_dial(self) -> None:
        """It has been made, and waits until it may go on."""

    def about_to_return(self) -> None:
        """It connects again by itself, once this returns."""

    def heard(self, name: str, line: str) -> None:
        """A line of its log."""

    def history(self, payload: bytes) -> None:
        """A piece of the phone's history, unread."""

    def not_taken_in(self, address: int, size: int, *, whole: bool) -> None:
        """A message's event could not be read or kept."""


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

    def __init__(self, library: Any, client: Ear) -> None:
        self._library = library
        # Not `client` itself: else it would stay as well.
        self._log = func_callback_bytes2(partial(on_log, weakref.ref(client)))
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


def on_log(to: "weakref.ref[Ear]", address: int, size: int) -> None:
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
MESSAGE, HISTORY = EVENT_TO_INT[MessageEv], EVENT_TO_INT[HistorySyncEv]
UNDECRYPTABLE = EVENT_TO_INT[UndecryptableMessageEv]


def on_event(
    to: "weakref.ref[Ear]", execute: Callable[..., None], uuid: int, address: int, size: int, code: int
) -> None:
    """One event, on the thread that brings them: never raise, or it is lost without a word.

    History is not read here: it is kept as it came.
    """
    client = to()
    try:
        if code == HISTORY and size > MOST_HISTORY:
            log.error("a piece of history of %d MB is left out: it is more than any phone sends", size >> 20)
            return
        if code == HISTORY and client is not None:
            client.history(mending.part(ctypes.string_at(address, size), 1))
            return
        execute(uuid, address, size, code)
    except Exception as error:
        if isinstance(error, DecodeError):
            log.warning("an event of kind %s cannot be read, or is nested too deep: %s", code, error)
        else:
            log.exception("an event of kind %s was not taken in", code)
        if client is not None and code in (MESSAGE, UNDECRYPTABLE):
            client.not_taken_in(address, size, whole=code == MESSAGE)


class _UntilItIsSet(threading.Event):
    """For `connect`, which looks five times a second whether its client has ended so that Ctrl+C is heard meanwhile.

    Nobody presses Ctrl+C on a thread of ours, and five hundred clients woke the process 2,500 times a second.
    """

    def wait(self, timeout: float | None = None) -> bool:  # what the library says
        return super().wait()


neonize_client.ThreadEvent = _UntilItIsSet


class Neonize(NewClient):  # type: ignore[misc]
    """neonize's client, with the callbacks it offers no way to set.

    The library calls `__onLoginStatus` with the outcome of a QR login and
    prints the raw pointer; we want to know. Its log is one for all clients; we
    want one for each.
    """

    on_login_status: Callable[[str], None]

    def hear(self, client: Ear) -> None:
        """From now on the library's log goes to `client`."""
        library: Any = self._NewClient__client  # type: ignore[has-type]
        self._NewClient__client = _Library(library, client)
        self.event.execute = partial(on_event, weakref.ref(client), self.event.execute)

    def _NewClient__onLoginStatus(self, uuid: int, status: int) -> None:  # noqa: N802
        self.on_login_status((ctypes.string_at(status) or b"").decode(errors="replace"))
