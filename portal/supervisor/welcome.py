"""What `manage.py run` prints once the portal is up."""

import os
import shlex
import sys
from pathlib import Path

from django.conf import settings

# What commands in another terminal need from the environment as well.
GIVEN = [name for name in ("DATABASE_URL", "NATS_URL", "NATS_CA", "SECRET_KEY") if os.environ.get(name)]


def manage(arguments: str) -> str:
    """A `manage.py` command as it can be typed in another terminal, from here and for this portal."""
    words = [_here(sys.executable), _here(str(settings.ASSETS / "manage.py")), arguments]
    if settings.DATA_DIR != settings.BASE_DIR / "data":
        words.insert(0, f"DATA_DIR={shlex.quote(str(settings.DATA_DIR))}")
    return " ".join(words)


def text(address: str, password: str | None) -> str:
    """The address, the first administrator if just made, and what to do next."""
    parts = [f"\nThe portal runs at {address} (Ctrl-C stops it)\n"]
    if password is not None:
        parts.append(
            f"Administrator: admin\nPassword:      {password}\n"
            f"(shown this once; change it at {address}preferences/password/)\n"
        )
    # Not their values: these addresses hold passwords.
    with_same = f", with the same {' and '.join(GIVEN)}" if GIVEN else ""
    parts.append(
        f"What to do next, in another terminal{with_same}:\n"
        f"  {manage('createinstance sales')}\n"
        "      makes an instance: the place of one WhatsApp account\n"
        f"  {manage('pair sales')}\n"
        "      links your phone to it, with a QR code\n"
        f"  {manage('createtoken --instance sales')}\n"
        "      makes a token for the API, to pin a message with:\n"
        f"  curl {address}api/chat/pinMessage/sales -H 'token: TOKEN' -H 'Content-Type: application/json' \\\n"
        """      -d '{"messageId": "MESSAGE ID", "pin": true, "duration": "7d"}'\n"""
    )
    return "\n".join(parts)


def _here(path: str) -> str:
    """The path as seen from the working folder, if it lies below it."""
    try:
        return shlex.quote(str(Path(path).relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(path)
