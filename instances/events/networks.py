"""Where webhooks may go: nowhere inside private networks, unless WEBHOOK_ALLOWED_NETWORKS names them.

What counts is the address that is connected to, not how it was written: a name
that resolves to 10.0.0.5, `http://2130706433/` and `[::ffff:127.0.0.1]` all
end here as an IP address. The name is resolved once, and the connection goes to
the address that was checked, so a name that changes its mind gains nothing.
"""

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any
from weakref import WeakValueDictionary

import httpcore
from django.conf import settings
from django.utils.translation import gettext_noop as _  # marks for translation; pages translate

from portal import networks

# Looking a name up may take many seconds, and must not hold up other names.
LOOKING_UP = 64
# A name that nobody answers for holds its thread longer than anybody waits. So many of one account's
# may do so; its next name waits, and those of others find a thread.
OF_ONE_ACCOUNT = 4

# Whose name is looked up: the account (primary key) that the webhook of this task belongs to.
account: ContextVar[int] = ContextVar("account")


class NotAllowed(Exception):
    """The address lies where webhooks may not go; the text is for people."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The address is in a private network. "
                "Whoever runs the portal may allow it with WEBHOOK_ALLOWED_NETWORKS."
            )
        )


def allowed(address: str) -> bool:
    """Whether webhooks may connect to this IP address."""
    written = networks.read(address)
    ways = (written, networks.unwrapped(written))
    if any(one in network for network in settings.WEBHOOK_ALLOWED_NETWORKS for one in ways):
        return True
    return networks.is_public(written)


def check_literal(host: str) -> None:
    """Refuse a host that is an IP address, however written, where webhooks may not go. Raises NotAllowed.

    Names are left for the moment of sending: only then it counts what they mean. Raises UnicodeError for what can be
    neither: a part of it is empty, or has more than 63 characters.
    """
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return
    for entry in found:
        if not allowed(str(entry[4][0])):
            raise NotAllowed


def _look_up(host: str, port: int) -> list[Any]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Guarded(httpcore.AsyncNetworkBackend):
    """Connects for httpcore, to allowed addresses alone."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._threads = ThreadPoolExecutor(LOOKING_UP, thread_name_prefix="names")
        # By account, for as long as somebody looks up or waits.
        self._places: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first allowed address of `host` that answers. Raises NotAllowed or httpcore's errors."""
        try:
            found = await self._look_up(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address: {error.strerror or error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        within = [address for address in addresses if allowed(address)]
        if not within:
            raise NotAllowed
        trouble: Exception | None = None
        for address in within:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        assert trouble is not None  # noqa: S101  # `within` is not empty
        raise trouble

    async def _look_up(self, host: str, port: int) -> list[Any]:
        places = self._places.setdefault(account.get(), asyncio.Semaphore(OF_ONE_ACCOUNT))
        await places.acquire()
        looking = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        # When the thread is free, which may be long after the time for the answer is over.
        looking.add_done_callback(lambda _: places.release())
        return await asyncio.shield(looking)

    async def sleep(self, seconds: float) -> None:
        """As httpcore's own."""
        await asyncio.sleep(seconds)
