"""The file of a backup: a compressed tar of plain files, the manifest first.

manifest.json       what is in it (`portal.backups.manifest`)
secret.key          signs cookies and keys the hashes of tokens
portal.sqlite3      or database.pgdump: everything but the keys of devices and the files
sessions/           or sessions.pgdump: the keys of linked devices
media/              files that were fetched
"""

import gzip
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

# Whatever else stands in a file that says it is a backup is not written anywhere.
KNOWN = re.compile(
    r"manifest\.json|secret\.key|portal\.sqlite3|database\.pgdump|sessions\.pgdump"
    r"|sessions/[\w.-]+|journal/[\w.-]+|media/[0-9a-f-]{1,64}/[\w.-]+"
    # With the names of whoever was linked when it came.
    r"|history/[0-9a-f]{32}/\d+(,[\w.:@-]*,[\w.:@-]*)?\.(history|damaged)",
    re.ASCII,
)
FAST = 1
_ODDITIES = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, UnicodeError)


class Unreadable(Exception):
    """This is no backup, or not a whole one; the text is for people."""


class Writer:
    """Puts files into a backup."""

    def __init__(self, out: BinaryIO) -> None:
        self._gzip = gzip.GzipFile(fileobj=out, mode="wb", compresslevel=FAST, mtime=0)
        # A stream: a pipe to another program will do for `out`.
        self._tar = tarfile.open(fileobj=self._gzip, mode="w|")  # noqa: SIM115  # `close` closes it

    def add_bytes(self, name: str, content: bytes) -> None:
        """A file of these bytes."""
        self._add(name, io.BytesIO(content), len(content))

    def add_file(self, name: str, path: Path) -> None:
        """A copy of a file that nobody changes. Raises FileNotFoundError."""
        with path.open("rb") as file:
            self._add(name, file, os.fstat(file.fileno()).st_size)

    def close(self) -> None:
        """The end, without which it is not whole."""
        self._tar.close()
        self._gzip.close()

    def _add(self, name: str, file: IO[bytes], size: int) -> None:
        if not KNOWN.fullmatch(name) or ".." in name:
            raise ValueError(f"{name} has no place in a backup")
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        self._tar.addfile(entry, file)


def extract(source: BinaryIO, target: Path) -> Iterator[Path]:
    """Write the files of a backup below `target`, each readable by us alone; gives them one after the other.

    The last one is given only when the whole of it has been read and its
    checksum is right. Raises Unreadable.
    """
    with _readable(), gzip.GzipFile(fileobj=source, mode="rb") as unpacked:
        with tarfile.open(fileobj=unpacked, mode="r|") as tar:
            for entry in tar:
                if not entry.isfile() or not KNOWN.fullmatch(entry.name) or ".." in entry.name:
                    raise Unreadable(f"This is not a backup of a portal: it holds {entry.name[:80]!r}.")
                content = tar.extractfile(entry)
                assert content is not None  # noqa: S101  # a file has content
                path = target / entry.name
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                    while piece := content.read(1 << 20):
                        file.write(piece)
                yield path
        # The checksum stands behind the tar's end.
        while unpacked.read(1 << 20):
            pass


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise Unreadable(f"This is not a backup of a portal: it holds {error.filename} twice.") from None
    except _ODDITIES as error:
        raise Unreadable(
            f"This is not a whole backup ({error}): it was cut off or damaged on its way. Take another copy of it."
        ) from None
