"""Writing what may as well be left out."""

from contextlib import AbstractContextManager, nullcontext

from django.db import connection

# At each of three places (`portal.sqlite3`).
SECONDS = 0.5


def briefly() -> AbstractContextManager[None]:
    """Meanwhile nobody waits long for others who write. On PostgreSQL hardly anybody waits: its locks are of rows."""
    hurrying = getattr(connection, "hurrying", None)
    return hurrying(SECONDS) if hurrying else nullcontext()
