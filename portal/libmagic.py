"""libmagic, which neonize needs at import, from a wheel where the system has none.

neonize imports python-magic, which loads `libmagic.so.1` and fails without it;
a small server or a slim image has none. The wheel pylibmagic carries one. Its
own way of making it known is to patch ctypes for the whole process; loading
its file by its full path first does the same without that, since the dynamic
linker answers a later request for the name `libmagic.so.1` with a library that
is loaded under that name already (dlopen(3)).
"""

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path

NAME = "libmagic.so.1"


def ensure() -> None:
    """Make libmagic loadable for this process; call before `import neonize`.

    Does nothing where the system has one. Where neither has, python-magic's
    own ImportError names what is missing.
    """
    if sys.platform == "darwin":
        # There it only sets DYLD_LIBRARY_PATH, which ctypes reads when it searches.
        import pylibmagic  # noqa: F401

        return
    if _loads(NAME):
        return
    folder = _bundled()
    if folder is not None and _loads(str(folder / NAME)):
        # Where libmagic finds its database; a choice of the host's stands.
        os.environ.setdefault("MAGIC", str(folder / "magic.mgc"))


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


def _bundled() -> Path | None:
    """The wheel's folder, found without importing it."""
    spec = find_spec("pylibmagic")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
