"""What the parts of messages say, of which more than one kind of message is made."""

from collections.abc import Callable
from typing import Any

# Kind, searchable text, what else to keep.
Content = tuple[str | None, str, dict[str, Any]]


def lines(*texts: str) -> str:
    """Those that say something, one a line."""
    return "\n".join(filter(None, texts))


def says(kind: str, *fields: str) -> Callable[[Any], Content]:
    """A reader for what says something in one or more text fields."""
    return lambda part: (kind, lines(*(getattr(part, field) for field in fields)), {})


def place(*fields: str) -> Callable[[Any], Content]:
    """A reader for a place on the map with something said of it in these fields."""

    def reader(part: Any) -> Content:
        where = {"latitude": part.degreesLatitude, "longitude": part.degreesLongitude}
        return "location", lines(*(getattr(part, field) for field in fields)), where

    return reader


def media(kind: str, part: Any, *said: str) -> Content:
    """A file as a reference with its key (nothing is downloaded here); what is `said` with it, and its name last."""
    fields = {field.name for field, _ in part.ListFields()}
    if kind == "audio" and part.PTT:
        kind = "voice"
    data: dict[str, Any] = {"mimetype": part.mimetype, "length": part.fileLength}
    data["path"] = part.directPath
    for name, field in (("key", "mediaKey"), ("sha256", "fileSHA256"), ("encrypted_sha256", "fileEncSHA256")):
        data[name] = getattr(part, field).hex()
    for field in ("fileName", "title", "seconds", "width", "height", "viewOnce"):
        if field in fields:
            data[field] = getattr(part, field)
    caption = part.caption if "caption" in fields else ""
    return kind, lines(caption, *said, data.get("fileName") or data.get("title") or ""), data
