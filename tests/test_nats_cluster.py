"""The cluster that docs/deploy/nats.conf makes: who may say what there, and what happens when a server dies."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import nats
import pytest
from nats.errors import Error as NatsError

from instances.events.turns import NoTurns, Turns
from instances.whatsapp import commands
from portal.broker import Broker, NobodyListens, NoReply, Payload
from portal.reaching import options
from tests.nats_cluster import Cluster, nats_cluster

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]

SHOP = uuid4()
PIN = commands.command_subject(SHOP, commands.PIN)
# From a server's death to the first answer over another one: what a caller may notice of it. Measured: 3 s
# when it stands still, a quarter of a second when its connections close; on a busy machine it is longer.
GAP_SECONDS = 40.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with nats_cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


Connect = Callable[..., Broker]


@pytest.fixture
def connect(cluster: Cluster) -> Iterator[Connect]:
    """Brokers as processes of each kind have them."""
    with ExitStack() as brokers:

        def make(user: str, first: int = 0) -> Broker:
            made = Broker(cluster.url(user, first), user, str(cluster.authority))
            brokers.callback(made.close)
            made.run(made.client())
            return made

        yield make


async def answer(_: str, payload: Payload) -> Payload:
    return {"carried out": payload}


def ask(asking: Broker) -> Payload:
    """The answer; the other servers hear of a subscription a moment later."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return asking.request(PIN, {"a": 1}, 30)
        except NobodyListens:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_it_works(connect: Connect) -> None:
    """Web and connector on different servers."""
    connector, web, worker = connect("connector", 1), connect("web", 0), connect("worker", 2)
    end = connector.run(connector.subscribe(commands.command_subject(SHOP, "*"), answer))
    for asking in (web, worker):
        assert ask(asking) == {"carried out": {"a": 1}}

    async def leave() -> None:
        await end()

    connector.run(leave())
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:  # The other servers hear of it a moment later.
        began = time.monotonic()
        try:
            web.request(PIN, {}, 2)
        except NobodyListens:
            break
        except NoReply:
            continue
    else:
        raise AssertionError("who left goes on answering")
    assert time.monotonic() - began < 1.5, "nobody listening is known at once, over two servers too"


def test_only_a_connector_answers(connect: Connect) -> None:
    """Whoever has the web's password, or the worker's, cannot pose as the owner of an instance."""
    web = connect("web")
    for impostor in (connect("web"), connect("worker")):
        impostor.run(impostor.subscribe(PIN, answer))
        with pytest.raises(NobodyListens):
            web.request(PIN, {}, 30)


def refused(cluster: Cluster, user: str, seconds: float, *, publish: str = "", subscribe: str = "") -> bool:
    """Whether the server refuses one thing to this user; it says so a moment later, and nothing when it takes it."""
    said: list[str] = []

    async def attempt() -> None:
        async def note(error: Exception) -> None:
            said.append(str(error))

        client = await nats.connect(**options(cluster.url(user), str(cluster.authority)), error_cb=note)
        if publish:
            await client.publish(publish, b"")
        else:
            await client.subscribe(subscribe)
        await client.flush()
        until = time.monotonic() + seconds
        while not said and time.monotonic() < until:
            await asyncio.sleep(0.01)
        await client.close()

    asyncio.run(attempt())
    return any("permissions violation" in text for text in said)


@pytest.mark.parametrize(
    ("user", "may"),
    [
        ("web", {"publish": PIN}),
        ("web", {"publish": f"news.{SHOP.hex}.pins"}),
        ("web", {"publish": "webhooks.wake"}),
        ("web", {"subscribe": "news.>"}),
        ("connector", {"subscribe": f"instance.{SHOP.hex}.*"}),
        ("connector", {"publish": f"news.{SHOP.hex}.state"}),
        ("connector", {"publish": "connector.wake"}),
        ("worker", {"publish": PIN}),
        ("worker", {"publish": "turns.portal.webhook"}),
        ("worker", {"subscribe": "webhooks.wake"}),
    ],
)
def test_to_each_its_part(cluster: Cluster, user: str, may: dict[str, str]) -> None:
    assert not refused(cluster, user, 0.2, **may)


@pytest.mark.parametrize(
    ("user", "may_not"),
    [
        # Answering orders, and hearing them.
        ("web", {"subscribe": f"instance.{SHOP.hex}.*"}),
        ("web", {"subscribe": ">"}),
        ("worker", {"subscribe": "instance.>"}),
        # Giving orders, from a machine that only holds connections.
        ("connector", {"publish": PIN}),
        # What others are answered: QR codes, files, texts.
        ("web", {"subscribe": "_INBOX.>"}),
        ("web", {"subscribe": "_INBOX.worker.>"}),
        ("worker", {"subscribe": "_INBOX.web.>"}),
        ("connector", {"subscribe": "_INBOX.web.>"}),
        ("connector", {"subscribe": "news.>"}),
        # Answering what it was not asked.
        ("connector", {"publish": "_INBOX.web.anything"}),
        ("worker", {"publish": "_INBOX.web.anything"}),
        # The work queue.
        ("web", {"publish": "turns.portal.webhook"}),
        ("web", {"publish": "$JS.API.STREAM.DELETE.turns-portal"}),
        ("connector", {"publish": "$JS.API.STREAM.LIST"}),
        ("connector", {"subscribe": "$JS.>"}),
        # The servers themselves.
        ("web", {"publish": "$SYS.REQ.SERVER.PING"}),
    ],
)
def test_and_no_more(cluster: Cluster, user: str, may_not: dict[str, str]) -> None:
    assert refused(cluster, user, 30, **may_not)


def test_strangers_get_nothing(cluster: Cluster) -> None:
    good = cluster.url("web")
    wrong = good.replace("tls://web:p", "tls://web:q", 1)
    nobody = good.replace(good.split("//")[1].split("@")[0] + "@", "")
    for url in (wrong, nobody, wrong.replace("web", "connector")):
        broker = Broker(url, "stranger", str(cluster.authority))
        with pytest.raises(NobodyListens):
            broker.request(PIN, {}, 1)
        broker.close()


def test_a_server_that_our_authority_did_not_sign_is_not_believed(cluster: Cluster) -> None:
    broker = Broker(cluster.url("web"), "web")
    with pytest.raises(NobodyListens):
        broker.request(PIN, {}, 1)
    broker.close()


def test_no_word_in_the_clear(cluster: Cluster) -> None:
    async def plain() -> None:
        await nats.connect(cluster.url("web").replace("tls://", "nats://"), connect_timeout=10, allow_reconnect=False)

    with pytest.raises((NatsError, OSError)):
        asyncio.run(plain())


@pytest.fixture
def turns(cluster: Cluster, connect: Connect, monkeypatch: pytest.MonkeyPatch, settings: Any) -> tuple[Broker, Turns]:
    from instances.events import turns as module

    settings.NATS_REPLICAS = 3
    worker = connect("worker", 1)
    monkeypatch.setattr(module, "broker", lambda: worker)
    return worker, Turns()


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_one_of_three_dies(cluster: Cluster, connect: Connect, turns: tuple[Broker, Turns], how: str) -> None:
    """Orders and the work queue go on, though their process was connected to it; what was queued is still there."""
    worker, queue = turns
    connector, web = connect("connector", 0), connect("web", 2)
    connector.run(connector.subscribe(commands.command_subject(SHOP, "*"), answer))
    before, after = uuid4(), uuid4()
    until(lambda: worker.run(queue.offer(before)) is None)
    if how == "frozen":
        cluster.signal(0, signal.SIGSTOP)
    else:
        cluster.kill(1)
    try:
        until(lambda: web.request(PIN, {"b": 2}, 1) == {"carried out": {"b": 2}}, GAP_SECONDS)
        until(lambda: worker.run(queue.offer(after)) is None)
        taken: set[UUID] = set()
        while len(taken) < 2:
            turn = until(lambda: worker.run(queue.take(2)))
            taken.add(turn.webhook)
            worker.run(turn.end())
        assert taken == {before, after}
    finally:
        if how == "frozen":
            cluster.signal(0, signal.SIGCONT)
        else:
            cluster.start(1)


def test_a_queue_of_one_server_is_moved_to_three(
    turns: tuple[Broker, Turns], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Who turns a single server into a cluster need not delete anything."""
    worker, _ = turns
    settings.SECRET_KEY = "another portal's, hence another stream's" * 2
    settings.NATS_REPLICAS = 1
    single, webhook = Turns(), uuid4()
    until(lambda: worker.run(single.offer(webhook)) is None)
    settings.NATS_REPLICAS = 3
    moved = Turns()
    turn = until(lambda: worker.run(moved.take(2)))
    assert turn.webhook == webhook

    async def replicas() -> int:
        stream = (await worker.client()).jetstream()
        return int((await stream.stream_info(str(moved._config().name))).config.num_replicas or 0)

    assert worker.run(replicas()) == 3


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Try until it gives something, through the refusals of a cluster that rearranges itself."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except (NobodyListens, NoReply, NoTurns, NatsError) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"it did not happen within {seconds} s: {last!r}")
