"""Faults of whole machines: web, two connectors, database, broker and WhatsApp in network namespaces of their own.

After each: every message that the contact sent is stored once, no pin went out
twice, each that was confirmed is at the contact's, and a caller heard nothing
but sentences that say so.
"""

import contextlib
import secrets
import signal
import time
from collections.abc import Iterator
from functools import partial

import psycopg
import pytest

from tests.e2e.hosts import possible
from tests.e2e.scene import pins_of, wait
from tests.e2e.site import Caller, Site, site
from tests.loopback import Actor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    # It brings its own PostgreSQL, whichever database the suite runs on.
    pytest.mark.sqlite_only,
    pytest.mark.skipif(not possible(), reason="NOT RUN: faults of machines need root and the command ip (iproute2)"),
]

NOT_CONNECTED = "500 WhatsApp client is not connected"
UNKNOWN = "504 WhatsApp did not confirm in time"
NO_DATABASE = "503 The portal's database is not available. Try again later."
# A lease of six seconds, and what a busy machine adds to it.
SOON = 60.0


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture(scope="module")
def bob(machines: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    actor = Actor(machines.wa, machines.wa.account("Bob", phone="5511999990002"), tmp_path_factory.mktemp("bob"))
    with machines.hosts["whatsapp"].inside():
        actor.start()
    yield actor
    actor.stop()


class Fault:
    """What goes on around one: a caller who pins, a contact who writes, and the account of it all at the end."""

    def __init__(self, machines: Site, bob: Actor) -> None:
        self._machines, self._bob = machines, bob
        self.holder = machines.holder()
        self._texts = [self.write() for _ in range(6)]
        for text in self._texts:
            machines.stored(text, seconds=SOON)
        self.caller = Caller(machines, list(self._texts))
        assert self.caller.until_pinned(SOON) < SOON

    def write(self) -> str:
        """The contact writes a message."""
        return self._bob.send_text(self._machines.ana.jid, f"at {time.monotonic()}")

    def meanwhile(self) -> None:
        """The contact writes two, whatever has become of the portal."""
        self._texts += [self.write(), self.write()]

    def write_at_length(self) -> None:
        """The contact writes what needs a page of its own, however it is compressed."""
        self._texts.append(self._bob.send_text(self._machines.ana.jid, secrets.token_hex(6000)))

    def account(self) -> None:
        """Nothing lost, nothing twice, nothing untrue."""
        for text in self._texts:
            self._machines.stored(text, seconds=SOON)
        rows = self._machines.database.rows("SELECT message_id FROM chats_message")
        assert len(rows) == len(set(rows))
        caller = self.caller
        for message in caller.pinned:
            wait(partial(pins_of, self._bob, message), what="a confirmed pin at the contact's")
        assert [len(pins_of(self._bob, message)) for message in caller.pinned] == [1] * len(caller.pinned)
        assert all(len(pins_of(self._bob, message)) <= 1 for message in caller.unknown)
        assert len(self._machines.ana.devices()) == 1, "no new code was needed"
        print(f"\nheard: {dict(caller.heard)}")


@pytest.fixture
def fault(machines: Site, bob: Actor) -> Iterator[Fault]:
    made = Fault(machines, bob)
    yield made
    made.account()


def test_a_connectors_machine_crashes(machines: Site, fault: Fault) -> None:
    fault.holder.process.kill()
    fault.holder.process.wait(timeout=10)
    fault.meanwhile()
    assert fault.caller.until_pinned(SOON) < SOON
    assert machines.holder() is not fault.holder
    assert set(fault.caller.heard) <= {"200", NOT_CONNECTED, UNKNOWN}
    machines.start_connector(fault.holder.name)
    machines.connectors[fault.holder.name].wait_up()


def test_a_connectors_machine_stands_still(machines: Site, fault: Fault) -> None:
    fault.holder.process.send_signal(signal.SIGSTOP)
    fault.meanwhile()
    assert fault.caller.until_pinned(SOON) < SOON
    assert machines.holder() is not fault.holder
    fault.holder.process.send_signal(signal.SIGCONT)
    assert fault.caller.until_pinned(SOON) < SOON
    assert set(fault.caller.heard) <= {"200", NOT_CONNECTED, UNKNOWN}


def test_a_connectors_machine_is_cut_off(machines: Site, fault: Fault) -> None:
    host = machines.hosts[fault.holder.name]
    host.cut()
    try:
        fault.meanwhile()
        assert fault.caller.until_pinned(SOON) < SOON
        assert machines.holder() is not fault.holder
    finally:
        host.mend()
    assert fault.caller.until_pinned(SOON) < SOON
    assert set(fault.caller.heard) <= {"200", NOT_CONNECTED, UNKNOWN}


def test_the_broker_crashes(machines: Site, fault: Fault) -> None:
    machines.broker.kill()
    fault.meanwhile()
    machines.broker.start()
    assert fault.caller.until_pinned(SOON) < SOON
    assert set(fault.caller.heard) <= {"200", NOT_CONNECTED, UNKNOWN}


def test_the_database_is_cut_off(machines: Site, fault: Fault) -> None:
    database = machines.hosts["database"]
    database.cut()
    try:
        fault.meanwhile()
        time.sleep(8)
    finally:
        database.mend()
    assert fault.caller.until_pinned(2 * SOON) < 2 * SOON
    assert set(fault.caller.heard) <= {"200", NOT_CONNECTED, UNKNOWN}


def test_the_databases_machine_loses_its_power(machines: Site, fault: Fault) -> None:
    """Was red: who waited for an answer went on waiting, for two hours, under a lease that was good again."""
    host = machines.hosts["database"]
    storing = "query LIKE 'COPY chats_message%' AND wait_event_type = 'Lock' AND client_addr = ?::inet"
    with contextlib.closing(psycopg.connect(machines.database.url)) as other:
        other.execute("LOCK TABLE chats_message IN SHARE MODE")
        fault.meanwhile()
        count = f"SELECT count(*) FROM pg_stat_activity WHERE {storing}"
        address = machines.hosts[fault.holder.name].address
        wait(lambda: machines.database.one(count, address), SOON, "a message that is just being stored")
        host.power_off()
        machines.server.kill()
    host.power_on()
    with host.inside():
        machines.server.start()
    assert fault.caller.until_pinned(2 * SOON) < 2 * SOON
    assert set(fault.caller.heard) <= {"200", NOT_CONNECTED, UNKNOWN, NO_DATABASE}


def test_the_databases_disk_is_full(machines: Site, fault: Fault) -> None:
    ballast = machines.disk / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as filled:
        while filled.write(bytes(2**16)):
            pass
    try:
        with pytest.raises(psycopg.errors.DiskFull), psycopg.connect(machines.database.url) as connection:
            connection.execute("CREATE TABLE ballast AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
        for _ in range(10):
            fault.write_at_length()
        time.sleep(3)
    finally:
        ballast.unlink()
    assert fault.caller.until_pinned(2 * SOON) < 2 * SOON
    assert set(fault.caller.heard) == {"200"}
