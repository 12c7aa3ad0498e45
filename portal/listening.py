"""Where the web process listens: HOST and PORT."""

import errno
import os
import resource
import socket

from django.core.management.base import CommandError

BACKLOG = 1024
# More connections than this are of no use.
FILES = 65_536


def host() -> str:
    """The address to listen at; this machine only, unless HOST says otherwise."""
    return os.environ.get("HOST") or "127.0.0.1"


def port() -> int:
    """The port to listen at. Raises CommandError when PORT is not one."""
    text = os.environ.get("PORT") or "8000"
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 65536:
        raise CommandError(f"PORT is {text!r}, and must be a number from 1 to 65535.")
    return int(text)


def address() -> str:
    """The address a person on this machine opens."""
    name = {"0.0.0.0": "localhost", "::": "localhost", "127.0.0.1": "localhost"}.get(host(), host())  # noqa: S104
    return f"http://{f'[{name}]' if ':' in name else name}:{port()}/"


def listen() -> socket.socket:
    """Open the listening socket. Raises CommandError with a sentence."""
    family = socket.AF_INET6 if ":" in host() else socket.AF_INET
    try:
        return socket.create_server((host(), port()), family=family, backlog=BACKLOG)
    except PermissionError:
        raise CommandError(f"Port {port()} needs more rights than we have. Choose one above 1023 with PORT.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port()} is taken by another program. Stop it, or choose another port: PORT=8001 make run."
            ) from None
        raise CommandError(f"Cannot listen at HOST {host()}, PORT {port()}: {error.strerror}.") from None


def files() -> int:
    """Let this process have as many open files as it may, and say how many: shells and services begin with 1024."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(most, FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(least, wanted), most))
    return max(least, wanted)
