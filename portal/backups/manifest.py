"""What a backup says about itself, and whether this portal can take it."""

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone
from django.utils.crypto import salted_hmac

from instances.whatsapp import keys
from portal.backups import postgres
from portal.backups.archive import Unreadable
from portal.secrets import read_secret

FORMAT = 1
SQLITE, POSTGRES = "sqlite", "postgresql"


def database_kind() -> str:
    """Which database this portal is set to."""
    return SQLITE if connection.vendor == "sqlite" else POSTGRES


def sessions_kind() -> str:
    """Where this portal keeps the keys of linked devices."""
    return POSTGRES if settings.SESSION_DATABASE_URL else SQLITE


def in_one_database() -> bool:
    """Whether the keys of devices lie in schemas of the portal's own database."""
    return database_kind() == sessions_kind() == POSTGRES and postgres.same(postgres.main(), postgres.sessions())


def key_print() -> str:
    """Recognises the SECRET_KEY that counts here, from the next start on, and tells nothing of it."""
    key = os.environ.get("SECRET_KEY") or read_secret(settings.DATA_DIR / "secret.key")
    # As it was called when the first backups were made: they must open.
    return salted_hmac("portal.keeping", "which key", secret=key, algorithm="sha256").hexdigest()


@dataclass(frozen=True)
class Manifest:
    """The first file of a backup."""

    database: str
    sessions: str
    one_database: bool
    # How `instances.whatsapp.keys` names the place of the keys.
    place: str
    key_print: str
    # App → its migrations, of the version that made it.
    migrations: dict[str, list[str]]
    format: int = FORMAT
    made_at: str = field(default_factory=lambda: timezone.now().isoformat(timespec="seconds"))

    @classmethod
    def of_this_portal(cls) -> "Manifest":
        """As things stand here."""
        applied: dict[str, list[str]] = {}
        for app, name in sorted(MigrationLoader(connection).applied_migrations):
            applied.setdefault(app, []).append(name)
        return cls(database_kind(), sessions_kind(), in_one_database(), keys.place(), key_print(), applied)

    @classmethod
    def read(cls, content: bytes) -> "Manifest":
        """From a backup. Raises Unreadable."""
        try:
            values: dict[str, Any] = json.loads(content)
            if values.get("format", 0) > FORMAT:
                raise Unreadable("A newer version of the portal made this backup: restore it with that one.")
            return cls(**values)
        except (ValueError, TypeError, AttributeError):
            raise Unreadable("This is not a backup of a portal: its manifest cannot be read.") from None

    def write(self) -> bytes:
        """As it stands in the file."""
        return json.dumps(asdict(self), indent=2).encode()

    def check(self) -> None:
        """Whether this portal, as it is set, can take the backup. Raises Unreadable."""
        kinds = {
            "DATABASE_URL": ("data", self.database, database_kind()),
            "SESSION_DATABASE_URL": ("keys of devices", self.sessions, sessions_kind()),
        }
        for setting, (what, there, here) in kinds.items():
            if there != here:
                todo = "leave it out" if there == SQLITE else "set it to an empty database"
                raise Unreadable(f"The backup has its {what} from {there}, and here {setting} means {here}: {todo}.")
        if self.one_database and not in_one_database():
            raise Unreadable(
                "The backup's keys lie in its database: set DATABASE_URL and SESSION_DATABASE_URL to the same one."
            )
        known = set(MigrationLoader(None).disk_migrations)
        unknown = {(app, one) for app, names in self.migrations.items() for one in names} - known
        if unknown:
            raise Unreadable(
                f"A newer version of the portal made this backup (it has {'.'.join(min(unknown))}): "
                "install that version, or a later one, and restore with it."
            )
