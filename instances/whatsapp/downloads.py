"""Fetching files for one instance: each once, few at a time, into the cache of this machine."""

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings

from chats.media import cache, trying
from chats.media.reference import Reference, reference_of
from chats.models import Message
from instances.models import Instance
from instances.whatsapp import database
from instances.whatsapp.adapter import Client
from instances.whatsapp.errors import MediaBroken, MediaTooLarge, NoMedia, NotConnected
from instances.whatsapp.threads import Threads

# The library holds a file in memory several times over while it decrypts it.
AT_ONCE = 2
# With base64 and JSON around it, well below the megabyte a NATS message may have.
PIECE_BYTES = 512 * 1024

_slots = asyncio.Semaphore(AT_ONCE)


class Downloads:
    """What an instance's session fetches when somebody asks for a file."""

    def __init__(self, instance: Instance, threads: Threads) -> None:
        self._instance = instance
        self._threads = threads
        # Two who ask for the same file wait for the same download.
        self._under_way: dict[int, asyncio.Task[int]] = {}

    async def fetch(self, message: int, client: Client | None) -> dict[str, Any]:
        """Have the file of a message here; the reply says how long it is. Raises a MediaError or NotConnected."""
        task = self._under_way.get(message)
        if task is None:
            task = asyncio.create_task(self._fetch(message, client))
            self._under_way[message] = task
            task.add_done_callback(lambda _: self._under_way.pop(message, None))
        # Whoever gives up waiting does not end it for the others.
        return {"size": await asyncio.shield(task)}

    async def piece(self, message: int, offset: int) -> dict[str, Any]:
        """A piece of a file that was fetched. Raises NoMedia when it is not here (any more)."""
        return {"piece": await self._threads.run(self._read, message, offset)}

    async def _fetch(self, message: int, client: Client | None) -> int:
        reference, path = await self._threads.ask(self._look_up, message)
        found = await self._threads.run(cache.find, path)
        if found is None:
            if client is None:
                raise NotConnected
            async with _slots:
                found = await self._threads.run(_download, client, reference, path)
        return int(found.stat().st_size)

    def _look_up(self, message: int) -> tuple[Reference, Path]:
        row = Message.objects.filter(instance=self._instance.pk, pk=message).first()
        if row is None:
            raise NoMedia
        reference = reference_of(row)
        return reference, cache.path_of(row, reference)

    def _read(self, message: int, offset: int) -> str:
        _, path = database.call(self._look_up, message)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return base64.b64encode(file.read(PIECE_BYTES)).decode()
        except FileNotFoundError:
            raise NoMedia from None


def _download(client: Client, reference: Reference, path: Path) -> Path:
    with trying.marked(path):
        content = client.download(
            reference.kind, reference.path, reference.key, reference.sha256, reference.encrypted_sha256
        )
    # The sender only said how long it is.
    if len(content) > settings.MEDIA_MAX_BYTES:
        raise MediaTooLarge
    # The library has checked it; this holds whatever the library does.
    if hashlib.sha256(content).digest() != reference.sha256:
        raise MediaBroken
    with cache.Partial(path) as partial:
        partial.write(content)
        return partial.keep()
