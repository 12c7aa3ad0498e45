"""Each of our transactions on PostgreSQL ends when we are silent in it for too long, behind a pgbouncer too."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection, transaction

from instances.whatsapp import pools
from tests.pgbouncer import needed, pgbouncer
from tests.portal_process import ROOT, environment

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's locks end with their process"),
]

SHOW = "SHOW idle_in_transaction_session_timeout"


def limit() -> str:
    with connection.cursor() as cursor:
        cursor.execute(SHOW)
        return str(cursor.fetchone()[0])


def test_it_works() -> None:
    ours = f"{round(settings.DATABASE_SILENCE.total_seconds() / 60)}min"
    for _ in range(2):
        with transaction.atomic():
            assert limit() == ours
            with transaction.atomic():
                assert limit() == ours
    assert limit() == "0", "nothing of it stays in the session"


def test_a_transaction_that_fails_leaves_a_connection_that_works() -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    with transaction.atomic():
        assert limit() != "0"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_connection_that_is_gone_is_an_operational_error() -> None:
    """Was red: a killed server gave another one, which the writer took for a fault of the message: it was put aside."""
    connection.ensure_connection()
    socket.socket(fileno=os.dup(connection.connection.pgconn.socket)).shutdown(socket.SHUT_RDWR)
    with pytest.raises(OperationalError), transaction.atomic():
        raise AssertionError("it began")
    with transaction.atomic():
        assert limit() != "0"


def test_a_connection_that_was_cut_meanwhile_is_opened_anew() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(DatabaseError), transaction.atomic():
        raise AssertionError("it began")
    with transaction.atomic():
        assert limit() != "0"


def test_a_migration_may_think(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management.commands import migrate

    found: list[str] = []

    def think(*_: object, **__: object) -> None:
        with transaction.atomic():
            found.append(limit())

    monkeypatch.setattr(migrate.Command, "handle", think)
    call_command("migrate", skip_checks=True)
    assert found == ["0"]
    with transaction.atomic():
        assert limit() != "0"


def test_who_looks_for_keys_does_not_wait_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the portal's own connections; the library's driver would not know the words in its URL."""
    monkeypatch.setattr(settings, "SESSION_DATABASE_URL", os.environ["DATABASE_URL"])
    with pools.connect() as store:
        told = store.info.get_parameters()
    assert {name: told[name] for name in settings.DATABASE_LIMITS} == {
        name: str(value) for name, value in settings.DATABASE_LIMITS.items()
    }


@needed
def test_behind_a_pgbouncer(tmp_path: Path) -> None:
    """It is said with each BEGIN; said once for a session it would be another's by the next transaction."""
    script = (
        "import django; django.setup()\n"
        "from django.db import connection, transaction\n"
        "def ask(what):\n"
        "  with connection.cursor() as c: c.execute(what); return str(c.fetchone()[0])\n"
        "for _ in range(12):\n"
        f"  with transaction.atomic(): print(ask('SELECT pg_backend_pid()'), ask('{SHOW}'))\n"
        f"  print('outside', ask('{SHOW}'))\n"
    )
    with pgbouncer(os.environ["DATABASE_URL"]) as url:
        made = environment(tmp_path / "data", DATABASE_URL=url, DJANGO_SETTINGS_MODULE="portal.settings")
        done = subprocess.run([sys.executable, "-c", script], env=made, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {limit for who, limit in lines if who != "outside"} == {"6s"}
    assert {limit for who, limit in lines if who == "outside"} == {"0"}
