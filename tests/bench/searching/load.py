"""Getting the rows into a database: in bulk for the size, in batches of 500 as the portal does for the measurement."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db import connection, transaction

from chats import search
from chats.models import Chat, Message
from chats.search import vocabulary
from chats.search.backends import backend
from chats.search.documents import Row as Source
from chats.search.documents import documents
from chats.search.keys import ID_BITS
from instances.models import Account, Instance
from tests.bench.searching.rows import CHATS, COLUMNS, INSTANCES, Row, rows

BULK = 20_000
AGAIN = ("CREATE TRIGGER chats_search", "CREATE INDEX chats_search_words")
Chats = dict[tuple[int, int], int]


def make_chats() -> Chats:
    """The instances and chats; (instance, number of the chat) to primary key."""
    account = Account.objects.create(name="bench")
    for number in range(INSTANCES):
        instance = Instance.objects.create(account=account, name=f"bench-{number}")
        Chat.objects.bulk_create(
            Chat(instance=instance, jid=f"55119{chat:04}{instance.pk:04}@s.whatsapp.net", kind="direct")
            for chat in range(CHATS)
        )
    return {(instance, int(jid[5:9])): pk for pk, instance, jid in Chat.objects.values_list("pk", "instance_id", "jid")}


def load(total: int, chats: Chats) -> None:
    """Rows and documents of `total` messages in bulk, past the triggers."""
    _without_triggers()
    index = backend()
    source = rows(0, total, total, chats)
    while chunk := list(islice(source, BULK)):
        with transaction.atomic():
            _insert(chunk)
            made = documents([_source(row) for row in chunk])
            index.write(made)
            vocabulary.learn({word for document in made for word in document.words})
    _with_triggers(total)


def grow(base: int, first: int, times: int) -> None:
    """Make `base` messages `times` as many, without Python; `first` times there are already.

    The copies are some seconds later and have ids of their own.
    """
    with connection.cursor() as cursor:
        # What was taken in for a measurement.
        cursor.execute("DELETE FROM chats_message WHERE id > %s", [base * first])
    search.catch_up()
    _without_triggers()
    lite = connection.vendor == "sqlite"
    text = "char(32)" if lite else "' '"
    later = "datetime(sent_at, '+' || {0} || ' seconds')" if lite else "sent_at + {0} * interval '1 second'"
    taken = {"id": "id + {0}", "message_id": f"message_id || {text} || {{1}}", "sent_at": later}
    columns = ", ".join(COLUMNS)
    source, key, more = ("chats_search_content", "id", "") if lite else ("chats_search", "key", "instance_id, ")
    words = "c0" if lite else "words"
    for copy in range(first, times):
        values = ", ".join(
            taken.get(name, name).format(copy * base if name == "id" else copy, copy) for name in COLUMNS
        )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO chats_message ({columns}) SELECT {values} FROM chats_message WHERE id <= %s ORDER BY id",
                [base],
            )
            cursor.execute(
                f"INSERT INTO chats_search ({'rowid' if lite else key}, {more}words)"
                f" SELECT {key} + ({copy}::bigint << {ID_BITS}) + {copy * base}, {more}{words} FROM {source}".replace(
                    "::bigint", "" if lite else "::bigint"
                )
                + f" WHERE ({key} & {(1 << ID_BITS) - 1}) <= %s ORDER BY {key}",
                [base],
            )
    _with_triggers(base * times)


def _without_triggers() -> None:
    with connection.cursor() as cursor:
        on = " ON chats_message" if connection.vendor == "postgresql" else ""
        for name in ("added", "changed", "removed"):
            cursor.execute(f"DROP TRIGGER chats_search_{name}{on}")
        if connection.vendor == "postgresql":
            # A tenth of the time; the index is a little denser than one that grew.
            cursor.execute("DROP INDEX chats_search_words")
        else:
            cursor.execute("PRAGMA cache_size = -2000000")
            cursor.execute("PRAGMA wal_autocheckpoint = 200000")


def _with_triggers(last: int) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET maintenance_work_mem = '1GB'")
        for statement in backend().install:
            if statement.startswith(AGAIN) and "emptied" not in statement:
                cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SELECT setval(pg_get_serial_sequence('chats_message', 'id'), %s)", [last])
    # The settings of the portal again, not those of the load.
    connection.close()


def _source(row: Row) -> Source:
    pk, instance, chat, sender, _, mine, at, _, kind, text, name, *_ = row
    return Source(pk, instance, chat, sender, name, mine, at, kind, text)


def _insert(chunk: list[Row]) -> None:
    columns = ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY chats_message ({columns}) FROM STDIN") as copy:
                for row in chunk:
                    copy.write_row(row)
            return
        places = ", ".join(["%s"] * len(COLUMNS))
        values: list[list[Any]] = [
            [*row[:6], row[6].strftime("%Y-%m-%d %H:%M:%S"), row[7].strftime("%Y-%m-%d %H:%M:%S"), *row[8:]]
            for row in chunk
        ]
        cursor.executemany(f"INSERT INTO chats_message ({columns}) VALUES ({places})", values)


def take_in(first: int, count: int, chats: Chats, batch: int = 500) -> Iterator[float]:
    """As the portal takes messages in: rows, triggers, index, one transaction a batch. Seconds of each batch."""
    source = rows(first, first + count, first + count, chats)
    while chunk := list(islice(source, batch)):
        made = [Message(**{**dict(zip(COLUMNS, row, strict=True)), "id": None, "data": {}}) for row in chunk]
        start = time.perf_counter()
        with transaction.atomic():
            Message.objects.bulk_create(made)
            search.catch_up()
        yield time.perf_counter() - start
