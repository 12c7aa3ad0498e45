"""Getting at a message's file: from this machine's disk, else by the connector from WhatsApp.

The connector puts what it fetched into the cache of its own machine. When that
is this machine, the file is there. Otherwise it is taken over piece by piece,
each piece asked for when the one before is written: neither side holds more
than one, however large the file and however slow the other.
"""

import base64
import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

from chats.media import cache
from chats.media.reference import Reference, reference_of
from chats.models import Message
from instances.whatsapp import service
from instances.whatsapp.errors import MediaBroken, MediaBusy
from portal import crowd

# So many may wait for WhatsApp at a time: each holds one of the web's 64 threads.
_waiting = threading.BoundedSemaphore(16)


@dataclass(frozen=True, slots=True)
class Media:
    """A file that is here, whole and checked."""

    path: Path
    reference: Reference


def here(message: Message, reference: Reference) -> Path | None:
    """The file, if it was fetched before."""
    return cache.find(cache.path_of(message, reference))


def open_media(message: Message) -> Media:
    """The file behind a message, fetched if need be; blocks until it is here.

    Raises a MediaError with a sentence (gone, too large, broken …), or
    NotConnected or NotConfirmed.
    """
    reference = reference_of(message)
    found = here(message, reference)
    if found is None:
        with crowd.one_of(_waiting, MediaBusy):
            found = _fetch(message, reference)
    return Media(found, reference)


def _fetch(message: Message, reference: Reference) -> Path:
    size = service.fetch_media(message.instance, message.pk)
    return here(message, reference) or _take_over(message, reference, size)


def _take_over(message: Message, reference: Reference, size: int) -> Path:
    digest = hashlib.sha256()
    with cache.Partial(cache.path_of(message, reference)) as partial:
        taken = 0
        while taken < size:
            piece = base64.b64decode(service.media_piece(message.instance, message.pk, taken))
            if not piece:
                break
            partial.write(piece)
            digest.update(piece)
            taken += len(piece)
        if digest.digest() != reference.sha256:
            raise MediaBroken
        return partial.keep()
