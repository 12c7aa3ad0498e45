"""Many new messages into their table at once.

Django's bulk_create takes longer to put its statement together than either
database to carry it out; at thousands of messages a second that is most of
the time. Here the columns go straight to the driver. `Message(...)` itself
takes a tenth of what a message costs in all, `new_message` a quarter of that.
"""

import json
from collections.abc import Sequence
from datetime import UTC
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models.base import ModelState
from django.utils import timezone

from chats.models import Chat, Message
from instances.models import Instance

_FIELDS = [field for field in Message._meta.concrete_fields if not field.primary_key]
_COLUMNS = ", ".join(f'"{name}"' for name in ("id", *(field.column for field in _FIELDS)))
_values = attrgetter(*(field.attname for field in _FIELDS))
_DATA = [field.attname for field in _FIELDS].index("data")
_TIMES = [at for at, field in enumerate(_FIELDS) if field.get_internal_type() == "DateTimeField"]
# Those of stored_at and data are made anew for each row.
_DEFAULTS = {field.attname: field.get_default() for field in Message._meta.concrete_fields}
del _DEFAULTS["stored_at"], _DEFAULTS["data"]


def new_message(instance: Instance, chat: Chat, **values: Any) -> Message:
    """What `Message(...)` makes of the same; `values` are columns, `data` among them, and not looked at."""
    row = Message.__new__(Message)
    row._state = ModelState()
    row._state.fields_cache.update(instance=instance, chat=chat)
    row.__dict__.update(_DEFAULTS, instance_id=instance.pk, chat_id=chat.pk, stored_at=timezone.now(), **values)
    return row


def store(rows: Sequence[Message]) -> None:
    """Insert rows, all or none, and give them their primary keys. Raises what the database raises."""
    if not rows:
        return
    for pk, row in zip(_keys(len(rows)), rows, strict=True):
        row.pk = pk
        row._state.adding, row._state.db = False, connection.alias
    if connection.vendor == "postgresql":
        _copy(rows)
    else:
        _insert(rows)


def _keys(count: int) -> list[int]:
    """Primary keys that nobody else gets."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "WITH keys AS MATERIALIZED (SELECT pg_get_serial_sequence('chats_message', 'id')::regclass AS source)"
                " SELECT nextval(source) FROM keys, generate_series(1, %s)",
                [count],
            )
            return [row[0] for row in cursor.fetchall()]
        # The one writer is us: our transaction has begun (see `transaction_mode` in the settings).
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chats_message'")
        last = (cursor.fetchone() or (0,))[0]
        return list(range(last + 1, last + count + 1))


def _copy(rows: Sequence[Message]) -> None:
    statement = f"COPY chats_message ({_COLUMNS}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            values = list(_values(row))
            values[_DATA] = _json(values[_DATA])
            copy.write_row([row.pk, *values])


def _insert(rows: Sequence[Message]) -> None:
    made: list[list[Any]] = []
    for row in rows:
        values = list(_values(row))
        values[_DATA] = _json(values[_DATA])
        for at in _TIMES:
            if values[at] is not None:
                # As Django writes it: in UTC and without a zone.
                values[at] = str(values[at].astimezone(UTC).replace(tzinfo=None))
        made.append([row.pk, *values])
    places = ", ".join(["%s"] * (len(_FIELDS) + 1))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO chats_message ({_COLUMNS}) VALUES ({places})", made)  # noqa: S608


def _json(data: Any) -> str:
    return json.dumps(data) if data else "{}"
