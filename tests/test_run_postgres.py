"""`manage.py run` on PostgreSQL, in a database of its own on the server the suite runs on."""

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from tests.portal_process import PortalProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("DATABASE_URL", "").startswith("postgres"), reason="for PostgreSQL"),
]


@pytest.fixture
def database_url() -> Iterator[str]:
    """An empty database, removed after the test."""
    server = os.environ["DATABASE_URL"]
    name = f"run_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_it_works(start_portal: Callable[..., PortalProcess], database_url: str) -> None:
    portal = start_portal(DATABASE_URL=database_url).wait_ready()
    assert portal.get("/healthz") == (200, '{"status": "ok"}')
    assert not (portal.data_dir / "portal.sqlite3").exists()
    assert portal.manage("createinstance", "sales").returncode == 0
    token = portal.manage("createtoken").stdout.strip()
    status, body = portal.post("/api/chat/pinMessage/sales", {"pin": True, "messageId": "X", "duration": "7d"}, token)
    assert (status, body) == (500, {"success": False, "error": {"message": "message with ID X not found"}}), portal.err
    password = urlsplit(database_url).password or ""
    assert password not in portal.out + portal.err
    assert "with the same DATABASE_URL" in portal.out
