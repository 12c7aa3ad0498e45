"""A restore that was begun and not finished: what is there may be half of a portal, and nothing may start on it."""

from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

# Where the files of a backup wait until the whole of it has been read.
STAGE = ".restore"
# The backup's manifest, from the moment its files begin to move into place until all is done.
MARK = ".restore.json"


def stage() -> Path:
    """The folder, which need not be there."""
    return Path(settings.DATA_DIR / STAGE)


def mark() -> Path:
    """The file, which need not be there."""
    return Path(settings.DATA_DIR / MARK)


def refuse() -> None:
    """Raises CommandError while a restore is unfinished."""
    if mark().exists() or stage().exists():
        raise CommandError(
            f"A restore into {settings.DATA_DIR} was begun and is not finished: this may be half of a portal. "
            "Restore the same backup once more (manage.py restore FILE), which finishes it, "
            "or begin anew with an empty folder and an empty database."
        )
