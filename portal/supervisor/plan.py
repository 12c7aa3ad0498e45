"""Which processes make a portal."""

import sys

from django.conf import settings

from portal.supervisor.child import Spec

MANAGE = str(settings.ASSETS / "manage.py")


def web(number: int, socket_descriptor: int) -> Spec:
    """The web process `number` (from 0), which takes its connections from an open socket."""
    return Spec(
        "web" if number == 0 else f"web {number + 1}",
        [sys.executable, MANAGE, "web"],
        {"LISTEN_FD": str(socket_descriptor)},
    )


def connector() -> Spec:
    """The process that holds the WhatsApp connections."""
    # Else neonize puts <bot biz_bot="1"/> into every direct message it sends
    # (goneonize/main.go reads this variable), which no phone does.
    return Spec("connector", [sys.executable, MANAGE, "connector"], {"NEONIZE_BOT_TAG": "off"})


def worker() -> Spec:
    """The process that delivers events."""
    return Spec("worker", [sys.executable, MANAGE, "worker"])
