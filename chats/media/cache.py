"""The files that were fetched, on this machine's disk: `DATA_DIR/media/<instance>/<message>-<stamp>`, each 0600.

Web and connector on one machine share the folder, and nothing travels between
them. On two machines each has its own. It holds at most MEDIA_CACHE_BYTES;
what was not looked at for longest goes first. What is in it can be fetched
again as long as WhatsApp has it, so it needs no backup.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from chats.media import trying
from chats.media.reference import Reference
from chats.models import Message
from instances.models import Instance

_PARTIAL = ".part-"


def path_of(message: Message, reference: Reference) -> Path:
    """Where the file stands, if it does."""
    return folder_of(message.instance_id) / f"{message.pk}-{reference.stamp}"


def folder_of(instance: int) -> Path:
    """Where the files of an instance stand. `instance`: its primary key."""
    directory: Path = settings.MEDIA_DIR
    return directory / str(instance)


def find(path: Path) -> Path | None:
    """The file, noted as looked at now; None when it is not there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return None
    return path


class Partial:
    """A file on its way in. It stands under its name only when it is whole (`keep`), and else not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes it 0600.
        handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
        self._temporary = Path(name)
        self._kept = False
        self._file = os.fdopen(handle, "wb")

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._kept:
            self._temporary.unlink(missing_ok=True)

    def write(self, content: bytes) -> None:
        """Add to it."""
        self._file.write(content)

    def keep(self) -> Path:
        """Put it in its place, and let the oldest go if there is too much now."""
        self._file.close()
        os.replace(self._temporary, self._path)
        self._kept = True
        shrink(self._path)
        return self._path


def shrink(but: Path | None = None) -> int:
    """Delete what was not looked at for longest until it fits into MEDIA_CACHE_BYTES; how many files that were."""
    files = sorted(_files(), key=lambda one: one[1].st_mtime)
    total = sum(state.st_size for _, state in files)
    gone = 0
    for path, state in files:
        if total <= settings.MEDIA_CACHE_BYTES:
            break
        if path != but:
            path.unlink(missing_ok=True)
            total -= state.st_size
            gone += 1
    return gone


def forget_gone() -> int:
    """Delete the files whose message or instance is no more (retention, deletion); how many that were."""
    if not settings.MEDIA_DIR.exists():
        return 0
    gone = 0
    folders = list(settings.MEDIA_DIR.iterdir())
    named = [int(folder.name) for folder in folders if folder.name.isdecimal()]
    # Those that are here, and not all there are: of a million a connector has some hundred.
    known = {str(pk) for at in range(0, len(named), 500) for pk in _present(Instance.objects, named[at : at + 500])}
    for folder in folders:
        if folder.name not in known:
            gone += sum(1 for _ in folder.iterdir())
            shutil.rmtree(folder, ignore_errors=True)
            continue
        trying.forget_old(folder)
        paths = {path: int(path.name.partition("-")[0]) for path in folder.glob("[0-9]*-*")}
        rows = Message.objects.filter(instance=int(folder.name), deleted_at=None)
        keys = list(paths.values())
        there = {pk for at in range(0, len(keys), 500) for pk in _present(rows, keys[at : at + 500])}
        for path, pk in paths.items():
            if pk not in there:
                path.unlink(missing_ok=True)
                gone += 1
    return gone


def forget_instance(instance: int) -> None:
    """Delete all files of an instance on this machine."""
    shutil.rmtree(folder_of(instance), ignore_errors=True)


def _present(rows: Any, keys: list[int]) -> Any:
    return rows.filter(pk__in=keys).values_list("pk", flat=True)


def _files() -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in settings.MEDIA_DIR.glob("*/*"):
        if path.name.startswith(trying.PREFIX):
            continue
        with suppress(FileNotFoundError):
            found.append((path, path.stat()))
    return found
