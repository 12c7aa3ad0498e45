"""Threads that write to SQLite at once."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase

from instances.models import Account
from portal.sqlite3 import base
from tests.portal_process import ROOT

# How long each of them writes, in seconds.
WRITING = 0.02


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

        # The machine may be busy with something else.
        took = []
        for _ in range(3):
            Account.objects.all().delete()
            took.append(self.at_once(16, write))
            self.assertEqual(Account.objects.count(), 32)
        self.assertLess(min(took), 32 * WRITING * 1.35)

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
            self.assertLess(self.at_once(8, work), base.PATIENCE_SECONDS)
        self.assertEqual(Account.objects.count(), 0)
        self.assertFalse(any(turn.locked() for turn in base._turns.values()))

    def test_a_turn_that_is_never_given_back_stops_nobody(self) -> None:
        with base._turns[str(connection.settings_dict["NAME"])], transaction.atomic():
            Account.objects.create(name="all the same")
        self.assertEqual(Account.objects.count(), 1)

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
            base._turns[str(connection.settings_dict["NAME"])].release()
            try:
                self.at_once(3, begin)
            finally:
                base._turns[str(connection.settings_dict["NAME"])].acquire()
        self.assertEqual(len(failed), 3)
        self.assertFalse(any(turn.locked() for turn in base._turns.values()))


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
