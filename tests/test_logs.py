"""That the suite's watch over logs sees what it is there for (`tests.logs`)."""

import logging
import sqlite3
from pathlib import Path

import pytest

from tests.logs import Watch, leaks, secrets_of
from tests.portal_process import PortalProcess

SECRET = "wap_" + "A1-_" * 10 + "abc"


def test_tokens_are_seen() -> None:
    for line in (f"call by {SECRET}", f"GET /ws/shop?token={SECRET}", f"protocols token.{SECRET[4:]}"):
        assert leaks(f"fine\n{line}\nfine") == [line]
    assert not leaks(f"call by {SECRET[:12]}…")


def test_texts_are_seen(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "portal.sqlite3") as connection:
        connection.execute("CREATE TABLE chats_message (text)")
        connection.execute("CREATE TABLE instances_instance (proxy_password)")
        connection.execute("INSERT INTO chats_message VALUES ('the gate code is 4711\nbye')")
        connection.execute("INSERT INTO instances_instance VALUES ('of-the-proxy-0815')")
    connection.close()
    (tmp_path / "secret.key").write_text("the key of this house\n")
    known = list(secrets_of(tmp_path, {"DATABASE_URL": ""}))
    telling = [
        "worker | stored 'the gate code is 4711'",
        "web | the key of this house",
        "connector | :of-the-proxy-0815@",
    ]
    log = "\n".join([*telling, "web | ok"])
    assert leaks(log, known) == telling


def test_a_portal_that_tells_fails_its_test(tmp_path: Path) -> None:
    portal = object.__new__(PortalProcess)
    portal.data_dir, portal.environment, portal.err = tmp_path, {}, f"web | 401 for {SECRET}"
    with pytest.raises(AssertionError, match="must not"):
        portal.told_no_secret()


def test_what_this_process_logs_is_heard() -> None:
    watch, logger = Watch(), logging.Logger("alone")
    logger.addHandler(watch)
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger.exception("it failed")
    logger.warning("nothing to see")
    assert len(watch.found) == 1
