"""Threads that write to SQLite at once."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest
from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase

from instances import tokens
from instances.models import Account
from portal.sqlite3 import base
from portal.sqlite3 import turn as turns
from portal.sqlite3.turn import Turn
from tests.portal_process import ROOT

# How long each of them writes, in seconds.
WRITING = 0.02
# How often something is tried that a busy machine may spoil.
TRIES = 5


def whose() -> Turn:
    """The turn of the tests' database."""
    return base._turns[str(connection.settings_dict["NAME"])]


@pytest.mark.sqlite_only
class Turns(TransactionTestCase):
    def at_once(self, count: int, work: Callable[[int], None]) -> float:
        """Do it on so many threads; seconds until the last has ended."""

        def whole(number: int) -> None:
            try:
                connection.ensure_connection()
                ready.wait()
                work(number)
            finally:
                connection.close()

        ready = threading.Barrier(count + 1)
        threads = [threading.Thread(target=whole, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        ready.wait()
        began = time.monotonic()
        for thread in threads:
            thread.join()
        return time.monotonic() - began

    def test_the_next_one_is_woken_at_once(self) -> None:
        """Left to SQLite, sixteen of them sleep for a second or two in which nobody writes."""

        def write(number: int) -> None:
            for turn in range(2):
                with transaction.atomic():
                    Account.objects.create(name=f"{number}/{turn}")
                    time.sleep(WRITING)

        # The machine may be busy with something else, and slow: twice as long as they write is soon enough.
        soon = 32 * WRITING * 2
        took: list[float] = []
        while not took or (took[-1] >= soon and len(took) < TRIES):
            Account.objects.all().delete()
            took.append(self.at_once(16, write))
            self.assertEqual(Account.objects.count(), 32)
        self.assertLess(min(took), soon)

    def test_a_turn_ends_however_a_transaction_does(self) -> None:
        def fail(number: int) -> None:
            with self.assertRaises(ValueError), transaction.atomic():
                Account.objects.create(name=f"failed {number}")
                raise ValueError

        def leave(number: int) -> None:
            transaction.atomic().__enter__()
            connection.close()
            connection.in_atomic_block = False

        for work in (fail, leave):
            self.assertLess(self.at_once(8, work), turns.PATIENCE_SECONDS)
        self.assertEqual(Account.objects.count(), 0)
        self.assertFalse(any(one.taken for one in base._turns.values()))

    def test_a_turn_that_is_never_given_back_stops_nobody(self) -> None:
        with mock.patch.object(turns, "PATIENCE_SECONDS", 0.2), whose().taking():
            with transaction.atomic():
                Account.objects.create(name="all the same")
            Account.objects.update(name="and alone")
        self.assertEqual(Account.objects.get().name, "and alone")

    def test_the_use_of_a_token_waits_for_nobody(self) -> None:
        """Was red: on a locked database each call waited for this first, and then for what it had come for."""
        token, secret = tokens.issue(Account.objects.create(name="Alice"))
        with mock.patch.object(turns, "PATIENCE_SECONDS", 60), whose().taking():
            began = time.monotonic()
            self.assertEqual(tokens.find(secret), token)
            self.assertLess(time.monotonic() - began, 30)

    def test_one_that_asks_is_next(self) -> None:
        """Whoever writes one batch after the other takes no second turn before others have had theirs."""

        def batches() -> None:
            try:
                while not enough.is_set():
                    with transaction.atomic():
                        Account.objects.create(name=f"batch {uuid.uuid4()}")
                        time.sleep(WRITING)
                    written.append(0)
            finally:
                connection.close()

        def in_a_transaction() -> None:
            with transaction.atomic():
                Account.objects.filter(pk=beat.pk).update(name="alive")

        def alone() -> None:
            Account.objects.filter(pk=beat.pk).update(name="alive")

        def most(way: Callable[[], None]) -> int:
            """How many batches were written, at most, while one asked for its turn and had it."""
            written.clear()
            enough.clear()
            waited = []
            writers = [threading.Thread(target=batches) for _ in range(2)]
            for writer in writers:
                writer.start()
            for _ in range(30):
                before = len(written)
                way()
                waited.append(len(written) - before)
            enough.set()
            for writer in writers:
                writer.join()
            return max(waited)

        beat = Account.objects.create(name="beat")
        written: list[int] = []
        enough = threading.Event()
        for way in (in_a_transaction, alone):
            # Those two, and one that ends before its thread can say so. A busy machine may halt this thread just
            # before it asks, while they go on: then once more.
            self.assertTrue(any(most(way) <= 3 for _ in range(TRIES)), way.__name__)

    def test_a_beginning_that_fails(self) -> None:
        def begin(number: int) -> None:
            connection.cursor().execute("PRAGMA busy_timeout = 1")
            try:
                with transaction.atomic():
                    Account.objects.create(name=str(number))
            except OperationalError:
                failed.append(number)

        failed: list[int] = []
        with transaction.atomic():
            Account.objects.create(name="holds it")
            whose().give()
            try:
                self.at_once(3, begin)
            finally:
                whose().take()
        self.assertEqual(len(failed), 3)
        self.assertFalse(any(one.taken for one in base._turns.values()))


@pytest.mark.sqlite_only
@pytest.mark.django_db
@pytest.mark.skipif(os.geteuid() != 0, reason="NOT RUN: needs root, to mount")
def test_a_disk_that_could_only_be_read_for_a_while(tmp_path: Path) -> None:
    """What SQLite opened meanwhile is for reading, for as long as it stays open."""
    disk, name = tmp_path / "disk", tmp_path / "disk" / "it.sqlite3"
    disk.mkdir()
    if subprocess.run(["mount", "--bind", disk, disk], capture_output=True).returncode:
        pytest.skip("NOT RUN: nothing can be mounted here")
    settings = {**connection.settings_dict, "NAME": str(name), "CONN_MAX_AGE": None, "OPTIONS": {}}
    first, thread = (base.DatabaseWrapper(settings, "a test's") for _ in range(2))
    try:
        first.cursor().execute("CREATE TABLE it (number)")
        first.close()
        subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)
        thread.cursor().execute("SELECT * FROM it")
        thread.close_if_unusable_or_obsolete()  # As at the end of a request.
        subprocess.run(["mount", "-o", "remount,bind,rw", disk], check=True)
        thread.cursor().execute("INSERT INTO it VALUES (1)")
        thread.close_if_unusable_or_obsolete()
        assert thread.connection is not None
    finally:
        first.close()
        thread.close()
        subprocess.run(["umount", disk], check=True)


MEMORY = """
import re
import django; django.setup()
from django.apps import apps
from django.db import connection
def own():
    return int(re.search(r"Anonymous:\\s+(\\d+)", open("/proc/self/smaps_rollup").read())[1]) / 1024
models = [(model, field) for model in apps.get_models() for field in model._meta.concrete_fields]
kept = []
def use():
    connection.connect()
    for model, field in models[:128]:
        list(model.objects.filter(pk=0).order_by(field.attname)[:1])
    kept.append(connection.connection)
    connection.connection = None
use()
before = own()
for _ in range(10):
    use()
print((own() - before) / 10)
"""


def test_a_threads_connection_stays_small(tmp_path: Path) -> None:
    """In MiB, after 128 different questions. A process has fifty of them; it was 1.3 each, and more by reading."""
    environment = os.environ | {"DATA_DIR": str(tmp_path), "DATABASE_URL": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"]
    subprocess.run(migrate, env=environment, check=True)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 1


HAMMER = """
import sqlite3, sys, time
import django; django.setup()
from django.db import connection, transaction
print("begins", flush=True)
until = time.monotonic() + 60
while time.monotonic() < until:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE instances_account SET name = name")
        time.sleep(0.02)
"""


@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_who_hurries_waits_for_no_lock(tmp_path: Path) -> None:
    """Was red: 25 seconds for something that may be left out. And whoever comes after it waits as ever."""
    name = str(tmp_path / "locked.sqlite3")
    mine = base.DatabaseWrapper({**connection.settings_dict, "NAME": name, "OPTIONS": {"timeout": 20}}, "a test's")
    write = "INSERT INTO note VALUES (1)"
    with closing(sqlite3.connect(name, isolation_level=None)) as other:
        other.execute("CREATE TABLE note (number)")
        other.execute("BEGIN IMMEDIATE")
        with mine.cursor() as cursor:
            began = time.monotonic()
            with pytest.raises(OperationalError), mine.hurrying(0.1):
                cursor.execute(write)
            assert time.monotonic() - began < 10
            assert mine.patience is None
            assert cursor.execute("PRAGMA busy_timeout").fetchone() == (20_000,)
            other.execute("ROLLBACK")
            cursor.execute(write)
    mine.close()


@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_another_process_that_writes_all_the_time(tmp_path: Path) -> None:
    """It leaves a fraction of a millisecond between two transactions, and SQLite looks ten times a second."""
    environment = os.environ | {"DATA_DIR": str(tmp_path), "DATABASE_URL": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"], env=environment, check=True)
    name = str(tmp_path / "portal.sqlite3")
    settings = {**connection.settings_dict, "NAME": name, "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"}}
    mine = base.DatabaseWrapper(settings, "a test's")
    with subprocess.Popen(
        [sys.executable, "-c", HAMMER], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as hammer:
        try:
            assert hammer.stdout is not None
            hammer.stdout.readline()
            waited = []
            for number in range(20):
                began = time.monotonic()
                with mine.cursor() as cursor:
                    cursor.execute("UPDATE instances_account SET name = %s", [str(number)])
                waited.append(time.monotonic() - began)
            assert hammer.poll() is None
        finally:
            hammer.kill()
            mine.close()
    # Who only looks ten times a second seldom meets the gap between two of theirs.
    assert sum(waited) < 15, [round(seconds, 2) for seconds in waited]
