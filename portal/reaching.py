"""How to reach NATS: its servers, as whom, and how to know one that died without a word."""

import asyncio
import ssl
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import uvloop
from nats.aio import client
from nats.errors import Error as NatsError

# A server of a cluster that is cut off closes no connection. Two of these
# unanswered (seconds), and the next server is tried.
PING_SECONDS: Any = 1.0  # nats-py says int, and takes a float as well
PINGS_UNANSWERED = 2
# How long it may take over its goodbye; the default of 30 would be the time without any server.
GOODBYE_SECONDS = 0.5


class Loop(uvloop.Loop):
    """An event loop whose TLS connections do not wait long for a peer that is gone."""

    async def start_tls(self, *arguments: Any, **options: Any) -> asyncio.BaseTransport:  # type: ignore[override]
        """As of any loop. nats-py leaves no way to say it, and waits for the end before it connects elsewhere."""
        return await super().start_tls(*arguments, ssl_shutdown_timeout=GOODBYE_SECONDS, **options)


class Client(client.Client):
    """nats-py's client, which makes no difference between tls:// and nats://: it goes by the server's first word.

    That word comes in the clear. Whoever stands between, and leaves TLS out of it, would hear our password.
    """

    def _connect_command(self) -> bytes:
        # By now the handshake is made, if the server wanted one.
        if "tls" in self.options and not self._server_info.get("tls_required"):
            raise NatsError("NATS_URL says tls://, and the server has no TLS")
        return super()._connect_command()


def options(url: str, authority: str = "") -> dict[str, Any]:
    """Options of `nats.connect` for NATS_URL, which may name several servers with commas between.

    The first one's user and password (or token) are for all of them, and for
    those of their cluster that are heard of later. `authority`: the file with
    the certificate of who signed the servers'; empty: the system's authorities.
    """
    servers = [one.strip() for one in url.split(",")]
    first = urlsplit(servers[0])
    found: dict[str, Any] = {
        "servers": servers,
        "ping_interval": PING_SECONDS,
        "max_outstanding_pings": PINGS_UNANSWERED,
        **_identity(first),
    }
    if any(urlsplit(server).scheme == "tls" for server in servers):
        found["tls"] = ssl.create_default_context(cafile=authority or None)
    return found


def _identity(server: SplitResult) -> dict[str, Any]:
    """Who we are. A user with a password is answered where only that user may listen (docs/deploy/nats.conf)."""
    name = unquote(server.username or "")
    if server.password is None:
        return {"token": name} if name else {}
    return {"user": name, "password": unquote(server.password), "inbox_prefix": f"_INBOX.{name}".encode()}
