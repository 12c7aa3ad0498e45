"""Whether the files a process stands on are still those it began with.

A disk that was mended, or exchanged, is another file system at the same place.
What a process has open lies on the old one: it would go on reading what was,
and write where nobody finds it. So it ends, and whatever keeps it up starts it
anew, on what is there now.
"""

import logging
import os
import threading
import time
from pathlib import Path

from django.conf import settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Ground:
    """Some files and folders, as they are when this is made; those that are not there do not count."""

    def __init__(self, *places: Path) -> None:
        self._began = {place: found for place in places if (found := _identity(place)) is not None}

    @property
    def replaced(self) -> bool:
        """Whether one of them is another one now. A disk that is missing may come back."""
        return any(_identity(place) not in (None, before) for place, before in self._began.items())


def database() -> list[Path]:
    """The file of an SQLite database."""
    default = settings.DATABASES["default"]
    return [Path(str(default["NAME"]))] if default["ENGINE"] == "portal.sqlite3" else []


def end_when_replaced(*places: Path) -> None:
    """Watch, on a thread, and end this process with code 75 (EX_TEMPFAIL) when one of them is another one.

    At once, as a kill would: what it still has to write would go to the old disk.
    """
    ground = Ground(*places)

    def watch() -> None:
        while not ground.replaced:
            time.sleep(LOOK_SECONDS)
        log.error("the disk beneath %s is another one now: this process ends, to be started anew", settings.DATA_DIR)
        os._exit(os.EX_TEMPFAIL)

    if places:
        threading.Thread(target=watch, name="ground", daemon=True).start()


def _identity(place: Path) -> tuple[int, int] | None:
    try:
        found = place.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
