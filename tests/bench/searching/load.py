"""Getting the rows into a database, in bulk: Python makes some, the database makes many of each, at other times.

What is measured afterwards comes in by the portal's own way (`intake.py`).
"""

import hashlib
import re
from itertools import islice
from typing import Any

from django.db import connection, transaction

from chats.models import Chat, Contact
from chats.search import vocabulary
from chats.search.backends import BACKENDS, backend
from chats.search.backends.postgres import OF_INSTANCE
from chats.search.documents import Row as Source
from chats.search.documents import documents
from chats.search.keys import ID_BITS, pk_of
from chats.search.keys import START as KEYS_START
from instances.models import Account, Instance
from tests.bench.searching.rows import CHATS, COLUMNS, INSTANCES, OWN, SPAN, START, Row, lid, phone, rows

# Sizes are multiples of this.
MADE = 200_000
BULK = 20_000
# Places between two copies of one text: a prime, so that no two copies stand together.
APART = 104_729
AGAIN = ("CREATE TRIGGER chats_search", "CREATE INDEX chats_search_words", OF_INSTANCE)
Chats = dict[tuple[int, int], int]


def fingerprint(database: str) -> str:
    """What a database would be filled with, in few letters: rows, documents and the tables they are in."""
    index = BACKENDS["sqlite" if database == "sqlite" else "postgresql"]()
    chats = {(instance, chat): chat + 1 for instance in range(INSTANCES) for chat in range(CHATS)}
    some = list(islice(rows(0, MADE, MADE, chats), 1_000))
    told = documents([_source(row)._replace(sender_name="Maria") for row in some])
    stored = [sorted(index.stored(document).split()) for document in told]
    made = [statement for statement in index.install if re.match("CREATE (TABLE|INDEX|VIRTUAL)", statement)]
    return hashlib.blake2s(repr((made, stored, some, SPAN, APART)).encode()).hexdigest()


def make_chats() -> Chats:
    """The instances, chats and people; (instance, number of the chat) to primary key."""
    account = Account.objects.create(name="bench")
    for number in range(INSTANCES):
        instance = Instance.objects.create(account=account, name=f"bench-{number}", jid=OWN)
        names = [(phone(instance.pk, chat), lid(instance.pk, chat)) for chat in range(CHATS)]
        Contact.objects.bulk_create(Contact(instance=instance, jid=jid, lid=other) for jid, other in names)
        Chat.objects.bulk_create(Chat(instance=instance, jid=jid, lid=other, kind="direct") for jid, other in names)
    return {(instance, int(jid[5:9])): pk for pk, instance, jid in Chat.objects.values_list("pk", "instance_id", "jid")}


def load(total: int, chats: Chats) -> None:
    """Rows and documents of `total` messages, past the triggers, in the order in which they would have arrived."""
    times = total // MADE
    _without_triggers()
    _make_some(chats)
    for first in range(0, MADE, BULK):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_more_messages(times, first))
            for statement in _more_documents(times, first):
                cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE made_message")
        cursor.execute("DROP TABLE made_document")
    _with_triggers(total)


def _make_some(chats: Chats) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE made_message AS SELECT {', '.join(COLUMNS)} FROM chats_message")
        cursor.execute("CREATE TABLE made_document (id bigint, key bigint, instance_id bigint, words text)")
        for table in ("made_message", "made_document"):
            cursor.execute(f"CREATE UNIQUE INDEX {table}_id ON {table} (id)")
    source = rows(0, MADE, MADE, chats)
    while chunk := list(islice(source, BULK)):
        with transaction.atomic():
            _insert("made_message", COLUMNS, [list(row) for row in chunk])
            made = documents([_source(row) for row in chunk])
            stored = [[pk_of(d.key), d.key, d.instance, backend().stored(d)] for d in made]
            _insert("made_document", ("id", "key", "instance_id", "words"), stored)
            vocabulary.learn({word for document in made for word in document.words})


def _copies(table: str, times: int, first: int) -> str:
    """BULK places in the order of arrival, `times` messages in each, every one from another part of what was made."""
    return (
        f"(WITH RECURSIVE up (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM up WHERE n < {first + BULK - 1})"
        " SELECT n FROM up) place"
        " CROSS JOIN (WITH RECURSIVE up (n) AS (SELECT CAST(0 AS bigint)"
        f" UNION ALL SELECT n + 1 FROM up WHERE n < {times - 1}) SELECT n FROM up) copy"
        f" JOIN {table} made ON made.id = (place.n + {MADE} - copy.n * {APART} % {MADE}) % {MADE} + 1"
    )


# Of a copy: its primary key, and how many seconds after START it was sent, given those of the original.
_ID = "place.n * {times} + copy.n + 1"
_SENT = "({sent} + copy.n * {apart} + copy.n * {step} / {times}) % {span}"


def _sent(sent: str, times: int) -> str:
    span = int(SPAN.total_seconds())
    step = span // MADE
    return _SENT.format(sent=sent, apart=APART % MADE * step, step=step, times=times, span=span)


def _more_messages(times: int, first: int) -> str:
    lite = connection.vendor == "sqlite"
    start = int(START.timestamp())
    made = "CAST(strftime('%s', made.sent_at) AS INTEGER)" if lite else "extract(epoch FROM made.sent_at)::bigint"
    at = f"{start} + {_sent(f'({made} - {start})', times)}"
    changed = {
        "id": _ID.format(times=times),
        "message_id": "made.message_id || " + ("printf('%04X', copy.n)" if lite else "lpad(to_hex(copy.n), 4, '0')"),
        "sent_at": f"datetime({at}, 'unixepoch')" if lite else f"to_timestamp({at})",
    }
    values = ", ".join(changed.get(name, f"made.{name}") for name in COLUMNS)
    statement = f"INSERT INTO chats_message ({', '.join(COLUMNS)}) SELECT {values} FROM "
    return statement + _copies("made_message", times, first) + " ORDER BY 1"


def _more_documents(times: int, first: int) -> tuple[str, ...]:
    lite = connection.vendor == "sqlite"
    pk = _ID.format(times=times)
    between = int((START - KEYS_START).total_seconds())
    sent = _sent(f"((made.key >> {ID_BITS}) - {between})", times)
    key = f"(({between} + {sent}) << {ID_BITS}) | ({pk})"
    copies = _copies("made_document", times, first)
    if not lite:
        table = "chats_search (key, instance_id, words)"
        return (f"INSERT INTO {table} SELECT {key}, instance_id, words::tsvector FROM {copies} ORDER BY {pk}",)
    ours = f"id > {first * times} AND id <= {(first + BULK) * times}"
    return (
        f"INSERT INTO chats_searchdocument SELECT {pk}, {key}, words FROM {copies} ORDER BY 1",
        # FTS5 wants the order of keys; a table grows as they arrive.
        f"INSERT INTO chats_search (rowid, words) SELECT key, words FROM chats_searchdocument WHERE {ours} ORDER BY 1",
    )


def _without_triggers() -> None:
    with connection.cursor() as cursor:
        on = " ON chats_message" if connection.vendor == "postgresql" else ""
        for name in ("added", "changed", "removed"):
            cursor.execute(f"DROP TRIGGER chats_search_{name}{on}")
        if connection.vendor == "postgresql":
            # A tenth of the time; the indexes are a little denser than those that grew.
            cursor.execute("DROP INDEX chats_search_words, chats_search_of_instance")
        else:
            cursor.execute("PRAGMA cache_size = -2000000")
            cursor.execute("PRAGMA wal_autocheckpoint = 200000")


def _with_triggers(last: int) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET maintenance_work_mem = '2GB'")
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


def _insert(table: str, columns: tuple[str, ...], chunk: list[list[Any]]) -> None:
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in chunk:
                    copy.write_row(row)
            return
        places = ", ".join(["%s"] * len(columns))
        for row in chunk:
            row[:] = [f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "year") else value for value in row]
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", chunk)
