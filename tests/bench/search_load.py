"""Getting the rows into a database: in bulk for the size, in batches of 500 as the portal does for the measurement."""

import time
from collections.abc import Iterator
from itertools import islice

from django.db import connection, transaction

from chats import search
from chats.models import Chat, Message
from chats.search import vocabulary
from chats.search.backends import backend
from chats.search.documents import Row, documents
from instances.models import Account, Instance
from tests.bench.search_rows import CHATS, INSTANCES, messages

BULK = 20_000
AGAIN = ("CREATE TRIGGER chats_search", "CREATE INDEX chats_search_words")
FIELDS = [field for field in Message._meta.concrete_fields]


def make_chats() -> dict[tuple[int, int], int]:
    """The instances and chats; (instance, number of the chat) to primary key."""
    account = Account.objects.create(name="bench")
    for number in range(INSTANCES):
        instance = Instance.objects.create(account=account, name=f"bench-{number}")
        Chat.objects.bulk_create(
            Chat(
                instance=instance, jid=f"55119{chat:04}{instance.pk:04}@s.whatsapp.net", kind="direct", name=f"M {chat}"
            )
            for chat in range(CHATS)
        )
    return {(instance, int(jid[5:9])): pk for pk, instance, jid in Chat.objects.values_list("pk", "instance_id", "jid")}


def load(first: int, end: int, total: int, chats: dict[tuple[int, int], int]) -> float:
    """Rows and documents in bulk, past the triggers. Seconds."""
    start = time.perf_counter()
    index = backend()
    with connection.cursor() as cursor:
        for name in ("added", "changed", "removed"):
            on = " ON chats_message" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER chats_search_{name}{on}")
        if connection.vendor == "postgresql":
            # A tenth of the time; the index is a little denser than one that grew.
            cursor.execute("DROP INDEX chats_search_words")
    source = messages(first, end, total, chats)
    pk = first
    while chunk := list(islice(source, BULK)):
        for row in chunk:
            pk += 1
            row.pk = pk
        with transaction.atomic():
            _insert(chunk)
            made = documents([Row(*(getattr(row, name) for name in Row._fields)) for row in chunk])
            index.write(made)
            vocabulary.learn({word for document in made for word in document.words})
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET maintenance_work_mem = '1GB'")
        for statement in index.install:
            if statement.startswith(AGAIN) and "emptied" not in statement:
                cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SELECT setval(pg_get_serial_sequence('chats_message', 'id'), %s)", [pk])
    return time.perf_counter() - start


def _insert(rows: list[Message]) -> None:
    columns = ", ".join(f'"{field.column}"' for field in FIELDS)
    values = [[field.get_db_prep_save(getattr(row, field.attname), connection) for field in FIELDS] for row in rows]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY chats_message ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            cursor.executemany(
                f"INSERT INTO chats_message ({columns}) VALUES ({', '.join(['%s'] * len(FIELDS))})", values
            )


def take_in(first: int, count: int, total: int, chats: dict[tuple[int, int], int], batch: int = 500) -> Iterator[float]:
    """As the portal takes messages in: rows, triggers, index, one transaction a batch. Seconds of each batch."""
    source = messages(first, first + count, total, chats)
    while chunk := list(islice(source, batch)):
        start = time.perf_counter()
        with transaction.atomic():
            Message.objects.bulk_create(chunk)
            search.catch_up()
        yield time.perf_counter() - start
