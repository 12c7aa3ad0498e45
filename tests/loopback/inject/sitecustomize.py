"""Makes the unmodified neonize in this process believe the loopback server. For tests alone.

Python imports ``sitecustomize`` at start when it finds one on PYTHONPATH. neonize's Go library checks WhatsApp's Noise
certificate against a root key that stands once, as 32 bytes, in the library's writable data (whatsmeow handshake.go,
WACertPubKey). Right after the library is loaded this overwrites it with the loopback server's, when the environment
names one. Only the standard library is used here: it runs before anything else of the process.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType

ROOT_VARIABLE = "LOOPBACK_WA_ROOT"
LOADS_THE_LIBRARY = "neonize._binder"
WHATSAPP_ROOT = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


def writable_mappings(library: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            parts = line.split(maxsplit=5)
            if len(parts) == 6 and parts[1].startswith("rw-p") and library in parts[5]:
                start, _, end = parts[0].partition("-")
                found.append((int(start, 16), int(end, 16)))
    return found


def replace_root(root: bytes) -> None:
    places: list[int] = []
    for start, end in writable_mappings("/neonize-"):
        at = ctypes.string_at(start, end - start).find(WHATSAPP_ROOT)
        if at >= 0:
            places.append(start + at)
    if len(places) != 1:
        raise RuntimeError(f"WhatsApp's root key stands {len(places)} times in neonize's library, expected once")
    ctypes.memmove(places[0], root, len(root))


class Loader(importlib.abc.Loader):
    """neonize's own loader, and then the replacement."""

    def __init__(self, real: importlib.abc.Loader) -> None:
        self._real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        replace_root(bytes.fromhex(os.environ[ROOT_VARIABLE]))


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != LOADS_THE_LIBRARY:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec and spec.loader:
            spec.loader = Loader(spec.loader)
        return spec


if os.environ.get(ROOT_VARIABLE):
    sys.meta_path.insert(0, Finder())
