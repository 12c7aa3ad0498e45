"""What a message says of its file. All of it was written by the sender, and is believed as far as it is harmless."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from chats.models import Message
from instances.whatsapp.errors import MediaTooLarge, NoMedia, ViewOnce

KINDS = frozenset(
    {
        Message.Kind.IMAGE,
        Message.Kind.VIDEO,
        Message.Kind.AUDIO,
        Message.Kind.VOICE,
        Message.Kind.DOCUMENT,
        Message.Kind.STICKER,
    }
)
# What a browser may show by itself, by the kind of message it must have come
# as. No HTML, no SVG, no PDF: those can run scripts or look like a page of ours.
_PICTURES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}
_SOUNDS = {"audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/wav": ".wav"}
_FILMS = {"video/mp4": ".mp4", "video/webm": ".webm", "video/3gpp": ".3gp"}
INLINE: dict[str, dict[str, str]] = {
    Message.Kind.IMAGE: _PICTURES,
    Message.Kind.STICKER: _PICTURES,
    Message.Kind.AUDIO: _SOUNDS,
    Message.Kind.VOICE: _SOUNDS,
    Message.Kind.VIDEO: _FILMS,
}
DOWNLOAD = "application/octet-stream"

# WhatsApp's direct paths, as "/v/t62.7118-24/1_n.enc?ccb=11-4&oh=…". It is put
# behind the media host's name as it is, so nothing may stand in it that ends a
# host's name, climbs, or hides.
_PATH = re.compile(r"/[A-Za-z0-9._~/-]{1,400}(\?[A-Za-z0-9._~%=&+-]{0,600})?")
_NAME_BYTES = 150


@dataclass(frozen=True, slots=True)
class Reference:
    """Where WhatsApp has a file, and how to open and check it. Shown to nobody: it holds the key."""

    kind: str
    path: str
    key: bytes = field(repr=False)
    sha256: bytes
    encrypted_sha256: bytes
    # Bytes, as the sender says.
    length: int
    mimetype: str
    name: str

    @property
    def inline_type(self) -> str:
        """The type under which a browser may show it in a page; empty when it may not."""
        return self.mimetype if self.mimetype in INLINE.get(self.kind, {}) else ""

    @property
    def stamp(self) -> str:
        """Tells this file from any other, and says nothing of it."""
        return hashlib.sha256(b"%s/%s/%s" % (self.key, self.sha256, self.encrypted_sha256)).hexdigest()[:32]


def reference_of(message: Message) -> Reference:
    """The file behind a message. Raises NoMedia, ViewOnce or MediaTooLarge."""
    data: dict[str, Any] = message.data
    if message.kind not in KINDS or message.deleted_at is not None:
        raise NoMedia
    if data.get("viewOnce"):
        raise ViewOnce
    path = str(data.get("path", ""))
    if not _PATH.fullmatch(path) or ".." in path or "//" in path.partition("?")[0]:
        raise NoMedia
    try:
        key, sha256, encrypted = (bytes.fromhex(data[name]) for name in ("key", "sha256", "encrypted_sha256"))
        length = int(data.get("length") or 0)
    except (KeyError, TypeError, ValueError):
        raise NoMedia from None
    # Of a channel's file, which is not encrypted, there is neither key nor second hash.
    if len(sha256) != 32 or (len(key), len(encrypted)) not in ((32, 32), (0, 0)):
        raise NoMedia
    if length > settings.MEDIA_MAX_BYTES:
        raise MediaTooLarge
    mimetype = str(data.get("mimetype", "")).partition(";")[0].strip().lower()
    return Reference(message.kind, path, key, sha256, encrypted, length, mimetype, file_name(message, mimetype))


def file_name(message: Message, mimetype: str) -> str:
    """A name to save the file under: the sender's without what a name may do harm with, else one of ours."""
    given = str(message.data.get("fileName") or message.data.get("title") or "")
    # Controls and formats: among them the marks that turn "gnp.exe" into "exe.png" for the eye.
    kept = "".join(char for char in given if unicodedata.category(char)[0] != "C")
    kept = re.sub(r'[/\\:*?"<>|]', "_", kept).strip(" .")
    while len(kept.encode()) > _NAME_BYTES:
        stem, dot, ending = kept.rpartition(".")
        kept = f"{stem[:-1]}{dot}{ending}" if stem and len(ending) < 12 else kept[:-1]
    if kept:
        return kept
    ending = INLINE.get(message.kind, {}).get(mimetype, "")
    return f"{message.kind}-{message.sent_at:%Y-%m-%d-%H%M%S}{ending or '.bin'}"
