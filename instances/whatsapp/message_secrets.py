"""The secrets that came with messages, as the library keeps them (whatsmeow, store/sqlstore).

Run on a SQLite store as a program of its own, for the reason told in `ratchets`.
"""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

Ask = Callable[[str, tuple[str, ...]], Iterable[tuple[Any, ...]]]

_SERVERS = {"lid": ("pn", "lid", "s.whatsapp.net"), "s.whatsapp.net": ("lid", "pn", "lid")}


def find(ask: Ask, chat: str, author: Iterable[str], message_id: str) -> tuple[list[str], list[bytes]]:
    """All names of a message's author, and the secrets kept of it. `ask`: the rows of a statement with `?` in it."""
    chats, authors = _names(ask, [chat]), _names(ask, author)
    statement = (
        "SELECT key FROM whatsmeow_message_secrets WHERE our_jid IN (SELECT jid FROM whatsmeow_device) "  # noqa: S608
        f"AND chat_jid IN ({_marks(chats)}) AND sender_jid IN ({_marks(authors)}) AND message_id = ?"
    )
    return authors, [bytes(key) for (key,) in ask(statement, (*chats, *authors, message_id))]


def _names(ask: Ask, names: Iterable[str]) -> list[str]:
    """With the other name of each, if it is known."""
    known = list(names)
    for name in tuple(known):
        user, _, server = name.partition("@")
        if server in _SERVERS:
            wanted, given, other = _SERVERS[server]
            rows = ask(f"SELECT {wanted} FROM whatsmeow_lid_map WHERE {given} = ?", (user,))  # noqa: S608  # constants
            known += (f"{found}@{other}" for (found,) in rows)
    return list(dict.fromkeys(known))


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))


if __name__ == "__main__":
    with closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=5)) as store:
        names, secrets = find(store.execute, *json.load(sys.stdin))
    json.dump([names, [secret.hex() for secret in secrets]], sys.stdout)
