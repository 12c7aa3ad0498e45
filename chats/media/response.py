"""A fetched file as an HTTP answer that can do no harm: what it holds was chosen by a stranger."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from chats.media.fetch import Media
from chats.media.reference import DOWNLOAD

# Nothing in it may run, load or send anything, also where somebody opens it in a tab of its own.
POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"


class BehindTheEnd(Exception):
    """There is nothing of the file where the range begins. `headers` say how long it is, as HTTP wants it."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The range begins behind the end of the file: it has {size} bytes")
        self.headers = {"Content-Range": f"bytes */{size}"}


class _InLargePieces(FileResponse):
    # Django's 4 KiB cost a hand-over between threads each.
    block_size = 256 * 1024


def answer(request: HttpRequest, media: Media, *, inline: bool = True) -> HttpResponseBase:
    """The file: shown by the browser where its type is harmless, else saved. One range is given where asked for.

    Raises BehindTheEnd.
    """
    kind = media.reference.inline_type if inline else ""
    size = media.path.stat().st_size
    span = _span(request.headers.get("Range", ""), size)
    response: HttpResponseBase
    if span is None:
        response = _InLargePieces(media.path.open("rb"), content_type=kind or DOWNLOAD)
    elif span[0] >= size:
        raise BehindTheEnd(size)
    else:
        first, last = span
        response = _InLargePieces(_Part(media.path, first, last), status=206, content_type=kind or DOWNLOAD)
        response["Content-Length"] = str(last - first + 1)
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    response["Content-Disposition"] = content_disposition_header(not kind, media.reference.name) or "attachment"
    response["Accept-Ranges"] = "bytes"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = POLICY
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response


def _span(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of the one range asked for; None to give everything (several ranges too: RFC 9110 allows)."""
    match = re.fullmatch(r"bytes=([0-9]{0,15})-([0-9]{0,15})", header.strip())
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size - 1
    first, last = int(match[1]), int(match[2]) if match[2] else size - 1
    return None if last < first and match[2] else (first, min(last, size - 1))


class _Part:
    """A stretch of a file, as the file that Django's response takes it for."""

    def __init__(self, path: Path, first: int, last: int) -> None:
        self._file = path.open("rb")
        self._file.seek(first)
        self._left = last - first + 1

    def read(self, size: int = -1) -> bytes:
        """The next bytes, up to the stretch's end."""
        wanted = self._left if size < 0 else min(size, self._left)
        content = self._file.read(wanted)
        self._left -= len(content)
        return content

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(lambda: self.read(256 * 1024), b"")
