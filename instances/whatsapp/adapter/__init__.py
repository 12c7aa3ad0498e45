"""neonize, as this project sees it: the only folder that imports it.

Nothing of neonize or protobuf goes past this door: what comes in leaves as the
plain values of `events`, and what goes out comes in as plain arguments. Traps
of the library that shaped the code are named where they bite; docs/wire.md has
the whole list.
"""

from portal.libmagic import ensure as ensure_libmagic

ensure_libmagic()  # neonize imports python-magic, which must find the C library.

from instances.whatsapp.adapter.client import Client  # noqa: E402
from instances.whatsapp.adapter.past import read_history  # noqa: E402
from instances.whatsapp.adapter.shut import Shut  # noqa: E402

__all__ = ["Client", "Shut", "read_history"]
