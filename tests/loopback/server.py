"""The server as a test sees it: synchronous, the event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from .account import Account
from .acks import AckPlan
from .calls import Rejection
from .core import Core
from .media import MediaStore
from .pairing import QrTiming
from .proxy import Network, Proxy
from .stanzas import Stanza

T = TypeVar("T")
ROOT_VARIABLE = "LOOPBACK_WA_ROOT"
_HERE = Path(__file__).parent


class Acks:
    """What the server answers to an account's next messages. ``edit`` limits it: "2" means pins alone."""

    def __init__(self, server: LoopbackServer) -> None:
        self._server = server

    def _plan(self, account: Account, plan: AckPlan) -> None:
        self._server.core.acks.add(account.state, plan)

    def late(self, account: Account, seconds: float, times: int = 1, edit: str | None = None) -> None:
        """Pass the message on at once and acknowledge it ``seconds`` later."""
        self._plan(account, AckPlan(delay=seconds, times=times, edit=edit))

    def missing(self, account: Account, times: int = 1, edit: str | None = None) -> None:
        """Pass the message on and never acknowledge it."""
        self._plan(account, AckPlan(silent=True, times=times, edit=edit))

    def negative(self, account: Account, code: int = 479, times: int = 1, edit: str | None = None) -> None:
        """Refuse the message with ``<ack error=code>`` and pass nothing on."""
        self._plan(account, AckPlan(error=code, times=times, edit=edit))

    def normal(self, account: Account) -> None:
        """Forget what was planned."""
        self._server.core.acks.clear(account.state)


class LoopbackServer:
    def __init__(self, workdir: Path, host: str = "127.0.0.1") -> None:
        self.workdir = workdir.resolve()
        self.host = host
        self.acks = Acks(self)
        self.port = 0
        self.core: Core
        self.proxy: Proxy
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loopback-whatsapp", daemon=True)

    # -- life

    def start(self) -> LoopbackServer:
        self.workdir.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self.run(self._start())
        return self

    async def _start(self) -> None:
        self.core = Core(self.workdir, self.call)
        self.proxy = Proxy(self.core)
        self.port = await self.proxy.start(self.host)

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        self.run(self.proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def __enter__(self) -> LoopbackServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self.errors:
            raise RuntimeError("the loopback server failed:\n" + self.errors[0])

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 30) -> T:
        """Run on the server's loop and wait for the outcome."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run on the server's loop without waiting."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, action: Callable[[], T]) -> T:
        """Call on the server's loop and wait for the outcome."""

        async def work() -> T:
            return action()

        return self.run(work())

    def env(self) -> dict[str, str]:
        """What a process needs in its environment, before it starts, to take this server for WhatsApp."""
        proxy = f"http://{self.host}:{self.port}"
        nearby = "127.0.0.1,localhost,::1"
        path = os.pathsep.join(part for part in (str(_HERE / "inject"), os.environ.get("PYTHONPATH", "")) if part)
        names = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")
        return dict.fromkeys(names, proxy) | {
            "no_proxy": nearby,
            "NO_PROXY": nearby,
            "SSL_CERT_FILE": str(self.core.authority),
            "PYTHONPATH": path,
            ROOT_VARIABLE: self.core.root.public.hex(),
        }

    # -- what a test sets

    def account(self, name: str, phone: str, *, phone_listed: bool = True) -> Account:
        """Somebody new on WhatsApp, with a simulated phone.

        Everybody encrypts for the phone as well, as in life. ``phone_listed=False`` keeps it out of the account's list
        of devices: a benchmark's sender has less to do then.
        """
        return Account(self, self.call(lambda: self.core.directory.add(name, phone, phone_listed)))

    def refuse_connections(self, refuse: bool = True) -> None:
        """The network between clients and WhatsApp is down. What is connected stays; see ``Account.drop_all``."""
        self.proxy.network = Network.DOWN if refuse else Network.UP

    def unavailable(self, unavailable: bool = True) -> None:
        """WhatsApp answers new connections with HTTP 503."""
        self.proxy.network = Network.UNAVAILABLE if unavailable else Network.UP

    def qr(self, count: int = 6, first: float = 60, others: float = 20) -> None:
        """How many QR references the next clients get and for how many seconds each is good."""
        self.core.pairing.timing = QrTiming(count, first, others)

    # -- what a test looks at

    def stanzas(self, **wanted: object) -> list[Stanza]:
        """The messages clients sent, in order. Filter by any field: ``stanzas(sender=ana.jid, edit="2")``."""
        return _filter(self.core.stanzas, wanted)

    def receipts(self, **wanted: object) -> list[Stanza]:
        """The receipts clients sent, in order."""
        return _filter(self.core.receipts, wanted)

    @property
    def rejected_calls(self) -> list[Rejection]:
        """Calls that devices rejected, in order."""
        return list(self.core.rejected_calls)

    @property
    def media(self) -> MediaStore:
        """The files clients uploaded, encrypted as they are, and how they are given out."""
        return self.core.media

    @property
    def unknown_iqs(self) -> list[str]:
        """Info queries that no handler knows; they got an empty result."""
        return self.core.unknown_iqs

    @property
    def refusals(self) -> list[str]:
        """What the server refused and why."""
        return self.core.refusals

    @property
    def errors(self) -> list[str]:
        """Mistakes of the server itself, as tracebacks. Leaving the ``with`` block raises when there are any."""
        return self.core.errors

    @property
    def refused_hosts(self) -> list[str]:
        """Hosts other than WhatsApp's that a client tried to reach."""
        return self.proxy.refused_hosts


def _filter(stanzas: Sequence[Stanza], wanted: dict[str, object]) -> list[Stanza]:
    return [stanza for stanza in list(stanzas) if all(getattr(stanza, name) == value for name, value in wanted.items())]
