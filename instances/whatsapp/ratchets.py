"""Forgetting the Signal sessions with some devices, so that the library asks them to begin anew.

Run on a SQLite store as a program of its own. SQLite's locks on a file belong
to the process (sqlite.org, "How To Corrupt An SQLite Database File": 2.2.1):
opened in the connector beside the library's own SQLite, the file loses them.
"""

import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing

# A device's addresses: its user and number, a LID's with `_1` between them.
_ADDRESSES = "(?, ?, (SELECT lid || '_1:' || ? FROM whatsmeow_lid_map WHERE pn = ?))"

Statement = tuple[str, tuple[str, ...]]


def forgetting(pairs: Iterable[tuple[str, str]]) -> Iterator[Statement]:
    """SQL and its values for pairs of a sender (`1002:5@lid`) and a group, or nothing for a direct chat.

    The tables are whatsmeow's (store/sqlstore/upgrades).
    """
    for sender, chat in pairs:
        name, _, number = sender.partition("@")[0].partition(":")
        user, device = name.partition(".")[0], number or "0"
        them = (f"{user}:{device}", f"{user}_1:{device}", device, user)
        yield f"DELETE FROM whatsmeow_sessions WHERE their_id IN {_ADDRESSES}", them  # noqa: S608  # a constant
        keys = f"DELETE FROM whatsmeow_sender_keys WHERE sender_id IN {_ADDRESSES} AND chat_id = ?"  # noqa: S608
        yield keys, (*them, chat)


if __name__ == "__main__":
    with closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True, timeout=10)) as store, store:
        for sql, values in forgetting(json.load(sys.stdin)):
            store.execute(sql, values)
