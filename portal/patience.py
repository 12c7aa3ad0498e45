"""How long the web server waits for a caller, and how much it takes before it knows what is wanted.

uvicorn's own protocol waits for ever and keeps what comes, however much:
callers who say their headers a byte a minute, send a body without end, or never
read their answer would stay until nothing else can connect. The rule here is one:
a request's head is there within PATIENCE_SECONDS, and from then on at least
LEAST bytes go through in every such time, in and out, or all that is left.
And when too many are waited for, whoever has been silent for longest goes.

It also drops what lets a caller say two things at once: headers with "_" in
their names, which WSGI cannot tell from "-", and headers behind a body
(trailers), which no proxy in front has looked at.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any, ClassVar

from django.conf import settings
from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from portal.rest.errors import envelope
from portal.tracing import HEADER, named

# Bytes that go through in PATIENCE_SECONDS, at least: 800 a second, by default.
LEAST = 16 * 1024
# A request's first line and headers (bytes).
HEAD = 64 * 1024
# Of a body that is too long the answer was given long before this (bytes); then the connection ends.
TAKEN = 16 * 1024 * 1024
TOO_LARGE = f"The address and headers of the request are larger than {HEAD // 1024} KiB"
TOO_SLOW = "The request came too slowly: send it again, without pauses"
NO_HTTP = "This is not a valid HTTP request"


class Patient(HttpToolsProtocol):
    """One connection."""

    # How many may be waited for; the rest of the file descriptors is for those at work.
    most: ClassVar[int] = 1000
    # Who is waited for, whoever has been silent for longest first.
    _waited_for: ClassVar[dict["Patient", None]] = {}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._listening: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        # Where in a request we are: its first byte has come, and its last has not; and it is its head that comes.
        self._in_request, self._in_head = False, True
        # It is a WebSocket by now, which may be silent for hours.
        self._upgraded = False
        # Bytes of the present request, and how many they were when it was looked at last.
        self._heard = self._heard_before = 0

    # --- Listening ------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected."""
        super().connection_made(transport)
        self._listen()

    def data_received(self, data: bytes) -> None:
        """Take what was sent, and no more than it may be."""
        self._heard += len(data)
        super().data_received(data)
        if self._upgraded:
            return
        if self._in_head and self._heard > HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
        elif self._heard > TAKEN:
            self._hang_up()
        elif self._listening is None and self._idle and self.timeout_keep_alive_task is None:
            # What came was no request yet: empty lines, by which the connection would be kept for ever.
            self._listen()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_request = self._in_head = True
        self._heard = self._heard_before = 0
        if self._listening is None:
            self._listen()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, but none that hides or comes too late."""
        if self._in_head and b"_" not in name:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The body follows, if there is one."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
            raise HttpParserError  # The parser must go no further.
        super().on_headers_complete()
        self._in_head = False
        self._listen()

    def on_message_complete(self) -> None:
        """The request is whole."""
        super().on_message_complete()
        self._in_request = False
        self._stop_listening()
        if self._idle and self.cycle is not None and not self.transport.is_closing():
            # It was answered before its end; what came since has stopped the clock.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
            self._be_waited_for()

    def handle_websocket_upgrade(self) -> None:
        """From here on it is another protocol's."""
        self._upgraded = True
        self._stop_listening()
        super().handle_websocket_upgrade()

    @property
    def _idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._in_request and (self.cycle is None or self.cycle.response_complete)

    def _listen(self) -> None:
        self._stop_listening()
        self._listening = self.loop.call_later(settings.PATIENCE_SECONDS, self._look_at_request)
        self._be_waited_for()

    def _stop_listening(self) -> None:
        self._waited_for.pop(self, None)
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    def _look_at_request(self) -> None:
        went_through, self._heard_before = self._heard - self._heard_before, self._heard
        # Nobody can hurry while we do not read: an earlier request is at work, or this body waits for its place.
        if self.flow.read_paused or (not self._in_head and went_through >= LEAST):
            self._listening = self.loop.call_later(settings.PATIENCE_SECONDS, self._look_at_request)
        elif self._in_request:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, TOO_SLOW)
        else:
            self._hang_up()

    def _be_waited_for(self) -> None:
        self._waited_for.pop(self, None)
        self._waited_for[self] = None
        if len(self._waited_for) > self.most:
            next(iter(self._waited_for))._hang_up()

    # --- Answering ------------------------------------------------------------

    def on_response_complete(self) -> None:
        """An answer is on its way."""
        super().on_response_complete()
        self._watch_writing()
        if self._idle and not self.transport.is_closing():
            self._be_waited_for()

    def pause_writing(self) -> None:
        """The caller reads more slowly than we write."""
        super().pause_writing()
        self._watch_writing()

    def _watch_writing(self) -> None:
        left = self.transport.get_write_buffer_size()
        if self._writing is None and left:
            self._writing = self.loop.call_later(settings.PATIENCE_SECONDS, self._look_at_answer, left)

    def _look_at_answer(self, before: int) -> None:
        self._writing = None
        # Where it is more than before, what was before has been read, and more been made.
        if before - LEAST < self.transport.get_write_buffer_size() <= before:
            self._hang_up()
        else:
            self._watch_writing()

    # --- Ending -----------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """As any refusal."""
        self._refuse(HTTPStatus.BAD_REQUEST, NO_HTTP)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_listening()
        if self._writing is not None:
            self._writing.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer, where it cannot be taken for an answer to something else, and end the connection."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if self._in_request and not self._in_head:
            ours = cycle is not None and cycle.more_body and not cycle.response_started
        else:
            ours = cycle is None or cycle.response_complete
        if not ours:
            self._hang_up()
            return
        body = json.dumps(envelope(sentence)).encode()
        head = f"HTTP/1.1 {status:d} {status.phrase}\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        head += f"{HEADER}: {named('')}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        self._stop_listening()
        self.transport.write(head.encode() + body)
        self.transport.close()
        self._watch_writing()

    def _hang_up(self) -> None:
        """End the connection, whatever is left unread."""
        self._stop_listening()
        self.transport.abort()
