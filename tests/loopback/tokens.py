"""The token dictionary of the binary XML, read from neonize's own library.

The dictionary belongs to WhatsApp; it is not copied into this repository. It stands in the Go library as arrays of
string headers (pointer, length). The pointers are relative relocations, so the ELF file alone is enough: look for the
headers of the first tokens in a row. Which arrays to expect: whatsmeow binary/token/token.go (one of 236 single-byte
tokens, then a slice of four slices of 256).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

_SINGLE_COUNT = 236  # tags from 236 on are the double-byte dictionaries and the type markers
_DOUBLE_COUNT = 256
_PT_LOAD = 1
_SHT_RELA = 4
_RELATIVE = {62: 8, 183: 1027}  # e_machine: R_X86_64_RELATIVE, R_AARCH64_RELATIVE


@dataclass(frozen=True)
class Tokens:
    single: list[str]
    double: list[list[str]]


def library_path() -> Path:
    """The shared library of the installed neonize, found without importing (and so without starting) it."""
    spec = importlib.util.find_spec("neonize")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("neonize is not installed")
    libraries = sorted(Path(spec.submodule_search_locations[0]).glob("neonize-*.so"))
    if not libraries:
        raise RuntimeError("neonize's shared library is missing")
    return libraries[0]


def load_tokens(cache_dir: Path) -> Tokens:
    """The dictionary, from the cache when this very library was read before."""
    library = library_path()
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    cached = cache_dir / f"tokens-{digest[:16]}.json"
    if not cached.exists():
        tokens = _read_library(library)
        cache_dir.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({"single": tokens.single, "double": tokens.double}))
        partial.replace(cached)
    return Tokens(**json.loads(cached.read_text()))


def _read_library(library: Path) -> Tokens:
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
        return _Elf(image).tokens()


class _Elf:
    """Just enough of ELF64 little-endian to follow a pointer."""

    def __init__(self, image: mmap.mmap) -> None:
        self.image = image
        header = struct.unpack_from("<16sHHIQQQIHHHHHH", image, 0)
        machine, program_offset, section_offset = header[2], header[5], header[6]
        program_size, program_count, section_size, section_count = header[9], header[10], header[11], header[12]
        self.segments: list[tuple[int, int, int]] = []  # virtual address, file offset, size in the file
        for index in range(program_count):
            kind, _, offset, address, _, size, _, _ = struct.unpack_from(
                "<IIQQQQQQ", image, program_offset + index * program_size
            )
            if kind == _PT_LOAD:
                self.segments.append((address, offset, size))
        self.pointers: dict[int, int] = {}  # address of a pointer: the address it points to
        for index in range(section_count):
            section = struct.unpack_from("<IIQQQQIIQQ", image, section_offset + index * section_size)
            if section[1] == _SHT_RELA:
                raw = image[section[4] : section[4] + section[5]]
                for where, info, addend in struct.iter_unpack("<QQq", raw):
                    if info & 0xFFFFFFFF == _RELATIVE[machine]:
                        self.pointers[where] = addend

    def offset(self, address: int) -> int:
        for start, offset, size in self.segments:
            if start <= address < start + size:
                return address - start + offset
        raise ValueError("address outside the file")

    def number(self, address: int) -> int:
        return int(struct.unpack_from("<Q", self.image, self.offset(address))[0])

    def string(self, address: int) -> str:
        length = self.number(address + 8)
        if length == 0:
            return ""
        offset = self.offset(self.pointers[address])
        return self.image[offset : offset + length].decode()

    def strings(self, address: int, count: int) -> list[str]:
        return [self.string(address + 16 * index) for index in range(count)]

    def array_starting_with(self, *first: str) -> int:
        """The address of the one array of strings that begins with these."""
        length = len(first[0].encode())
        for where, target in self.pointers.items():
            try:
                if (
                    self.number(where + 8) != length
                    or self.image[(at := self.offset(target)) : at + length] != first[0].encode()
                ):
                    continue
                if self.strings(where, len(first)) == list(first):
                    return where
            except (KeyError, ValueError, UnicodeDecodeError):
                continue
        raise RuntimeError(f"no token array begins with {first}: has the library changed?")

    def tokens(self) -> Tokens:
        # The empty first token has no pointer, so look for the second one and step back one header.
        single = self.array_starting_with("xmlstreamstart", "xmlstreamend", "s.whatsapp.net") - 16
        first_dictionary = self.array_starting_with("read-self", "active", "fbns")
        slices = next(
            where
            for where, target in self.pointers.items()
            if target == first_dictionary and self.number(where + 8) == self.number(where + 16) == _DOUBLE_COUNT
        )
        dictionaries = [self.strings(self.pointers[slices + 24 * index], _DOUBLE_COUNT) for index in range(4)]
        return Tokens(self.strings(single, _SINGLE_COUNT), dictionaries)
