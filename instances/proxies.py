"""An instance's own proxy: what may be one, and how it is told to the connection.

Whoever runs an account may name a proxy, and the portal will connect to it: so
it must not lead into the portal's own network (PROXY_ALLOW_PRIVATE). That is
looked at when it is set, and again, with the address itself, at each start.
"""

import re
import socket
import threading
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings

from instances.models import Instance
from portal import crowd, networks

SCHEMES = ("http", "https", "socks5")
# A name whose server does not answer holds its thread for many seconds, and anybody who runs an account may name one.
LOOKED_UP_AT_ONCE = 4
_looking = threading.BoundedSemaphore(LOOKED_UP_AT_ONCE)
NO_PROXY = "The proxy must look like http://user:password@host:8080, with http, https or socks5 in front."
NO_PORT = "The proxy's port is missing: it must look like http://user:password@host:8080."
NO_USER = "There is a password for the proxy, and no user."
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")


class InvalidProxy(Exception):
    """No proxy that may be used; `str()` is for people and holds no password."""


class ProxyBusy(InvalidProxy):
    """So many are being looked up that this one was not."""

    def __init__(self) -> None:
        super().__init__("Many proxies are being looked up at the moment: try again in a minute.")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address as it is shown, and its password."""

    url: str
    password: str


def parse(text: str) -> Proxy:
    """Read `scheme://[user[:password]@]host:port`. Raises InvalidProxy."""
    if not re.fullmatch(r"[!-~]{1,300}", text):
        raise InvalidProxy(NO_PROXY)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidProxy(NO_PROXY) from None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    more = parts.path.strip("/") or parts.query or parts.fragment
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme not in SCHEMES or not _HOST.fullmatch(host) or more or "\0" in user + password:
        raise InvalidProxy(NO_PROXY)
    if not port:
        raise InvalidProxy(NO_PORT)
    if password and not user:
        raise InvalidProxy(NO_USER)
    name = f"{quote(user, safe='')}@" if user else ""
    return Proxy(f"{parts.scheme}://{name}{host}:{port}", password)


def check(url: str) -> None:
    """Refuse a proxy that cannot be found, or that lies in a private network. Raises InvalidProxy.

    For requests: the others work while this one waits for the name's server.
    """
    with crowd.one_of(_looking, ProxyBusy):
        crowd.step_aside()
        _resolve(url)


def address_of(instance: Instance) -> str:
    """The address for the library, with the password; empty when the instance has no proxy. Raises InvalidProxy.

    The host stands there as the address that was looked at, so that a name
    cannot mean another one a moment later. Of https it must stay a name, for
    the certificate; a host that cannot show one ends the handshake.
    """
    if not instance.proxy_url:
        return ""
    address = _resolve(instance.proxy_url)
    parts = urlsplit(instance.proxy_url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        host = address
    host = f"[{host}]" if ":" in host else host
    user = parts.username or ""
    password = f":{quote(instance.proxy_password, safe='')}" if instance.proxy_password else ""
    return f"{parts.scheme}://{user}{password}{'@' if user else ''}{host}:{parts.port}"


def without_password(instance: Instance, text: str) -> str:
    """What a library said of a proxy, fit to be shown."""
    for secret in filter(None, (instance.proxy_password, quote(instance.proxy_password, safe=""))):
        text = text.replace(secret, "***")
    return text


def _resolve(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, parts.port, type=socket.SOCK_STREAM)
    # UnicodeError: Python asks nobody for a name with an empty part, or one of more than 63 characters.
    except (OSError, UnicodeError):
        raise InvalidProxy(f"The proxy's host {host} cannot be found.") from None
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    if not settings.PROXY_ALLOW_PRIVATE and not all(networks.is_public(networks.read(one)) for one in addresses):
        raise InvalidProxy(f"The proxy's host {host} is in a private network: the portal's host may allow that.")
    return addresses[0]
