"""SQLite: an FTS5 table whose rowid is the key, so that it is read newest first without sorting.

FTS5 walks the lists of all tokens side by side and skips in the longer ones:
"a common word in one instance in one week" touches little more than what it
finds. It must be told what exactly to take out when a message changes, so the
documents are kept: in a table of our own, in the order in which they arrive.
FTS5's own would have them in the order of time, where history finds every page
full and in need of division (a batch of 500 wrote 820 pages; ours writes 40).
"""

# Statements are put together from this file's own constants; whatever came
# from a person is a parameter.
# ruff: noqa: S608

import json
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection

from chats.search.backends.base import ACTIONS, WATCHED, Backend, clamp_in_sql, key_in_sql
from chats.search.documents import Document
from chats.search.keys import ID_MASK, pk_of
from chats.search.plan import Phrase, Plan
from chats.search.tokens import is_name

# FTS5 looks for a prefix by merging the lists of all words that begin so, which
# for a million messages takes long. Its own prefix indexes double the size of
# the whole. Instead every longer word is marked by its first three characters,
# and a prefix of more is spelled out by the vocabulary, up to so many words.
SHORT_PREFIX = 3
START = chr(0xE100)

# So many documents are read at once where the keys are given.
AMONG = 500

# Without the fraction of a second, which strftime would round up.
_SECOND = clamp_in_sql("min", "max", "CAST(strftime('%s', substr({row}.sent_at, 1, 19)) AS INTEGER)")


def _key(row: str) -> str:
    return key_in_sql(_SECOND.format(row=row), f"{row}.id")


def _note(*rows: str) -> str:
    values = ", ".join(f"({_key(row)})" for row in rows)
    return f"BEGIN INSERT INTO chats_searchpending (key) VALUES {values}; END"


_CHANGED = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in WATCHED)

INDEX = (
    # One a message, whose primary key it has, and the key under which it is in the index.
    "CREATE TABLE chats_searchdocument (id INTEGER PRIMARY KEY, key INTEGER NOT NULL, words TEXT NOT NULL)",
    # Tokens arrive ready-made: this tokenizer only parts them at blanks.
    # Lengths of documents (columnsize) serve ranking, which we do not do.
    "CREATE VIRTUAL TABLE chats_search USING fts5(words, content='', tokenize='ascii', columnsize=0)",
    # Of each size 15 parts may stand side by side before they are made one. With
    # FTS5's 3, taking in costs a quarter more, and finding saves 0.2 ms.
    "INSERT INTO chats_search (chats_search, rank) VALUES ('automerge', 16)",
)


class SqliteBackend(Backend):
    """The index of the embedded portal."""

    install = (
        "CREATE TABLE chats_searchpending (id INTEGER PRIMARY KEY AUTOINCREMENT, key INTEGER NOT NULL)",
        "CREATE TABLE chats_searchword (word TEXT PRIMARY KEY, backwards TEXT NOT NULL) WITHOUT ROWID",
        "CREATE INDEX chats_searchword_backwards ON chats_searchword (backwards)",
        *INDEX,
        "CREATE TRIGGER chats_search_added AFTER INSERT ON chats_message"
        f" WHEN NEW.kind NOT IN ({ACTIONS}) {_note('NEW')}",
        f"CREATE TRIGGER chats_search_changed AFTER UPDATE OF {', '.join(WATCHED)} ON chats_message"
        f" WHEN {_CHANGED} {_note('OLD', 'NEW')}",
        f"CREATE TRIGGER chats_search_removed AFTER DELETE ON chats_message {_note('OLD')}",
    )
    uninstall = (
        "DROP TRIGGER IF EXISTS chats_search_added",
        "DROP TRIGGER IF EXISTS chats_search_changed",
        "DROP TRIGGER IF EXISTS chats_search_removed",
        "DROP TABLE IF EXISTS chats_search",
        "DROP TABLE IF EXISTS chats_searchdocument",
        "DROP TABLE IF EXISTS chats_searchword",
        "DROP TABLE IF EXISTS chats_searchpending",
    )

    note_all = f"INSERT INTO chats_searchpending (key) SELECT {_key('row')} FROM chats_message row"

    def take_pending(self, limit: int) -> list[int]:
        """As the interface says; one writer at a time is SQLite's own rule."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, key FROM chats_searchpending ORDER BY id LIMIT %s", [limit])
            rows = cursor.fetchall()
            if rows:
                cursor.execute("DELETE FROM chats_searchpending WHERE id <= %s", [rows[-1][0]])
        return [key for _, key in rows]

    def stored(self, document: Document) -> str:
        """The tokens with blanks between them."""
        return " ".join((*document.words, *document.marks, *_starts(document)))

    def write(self, documents: Sequence[Document]) -> None:
        """As the interface says. FTS5 wants ascending rowids: any other order costs a flush a row."""
        self._take_out([pk_of(document.key) for document in documents])
        rows = [(document.key, self.stored(document)) for document in documents]
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO chats_search (rowid, words) VALUES (%s, %s)", rows)
            cursor.executemany(
                "INSERT INTO chats_searchdocument (id, key, words) VALUES (%s, %s, %s)",
                sorted((pk_of(key), key, words) for key, words in rows),
            )

    def remove(self, keys: Iterable[int]) -> None:
        """As the interface says."""
        keys = frozenset(keys)
        self._take_out(list(map(pk_of, keys)), keys)

    def _take_out(self, pks: list[int], keys: Collection[int] | None = None) -> None:
        """The documents of messages, or of these only the ones under `keys`."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT key, id, words FROM chats_searchdocument WHERE id IN (SELECT value FROM json_each(%s))",
                [json.dumps(pks)],
            )
            there = sorted(row for row in cursor.fetchall() if keys is None or row[0] in keys)
            if there:
                gone = "INSERT INTO chats_search (chats_search, rowid, words) VALUES ('delete', %s, %s)"
                cursor.executemany(gone, [(key, words) for key, _, words in there])
                cursor.executemany("DELETE FROM chats_searchdocument WHERE id = %s", [(pk,) for _, pk, _ in there])

    def learn(self, words: set[str]) -> None:
        """As the interface says."""
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT OR IGNORE INTO chats_searchword (word, backwards) VALUES (%s, %s)",
                [(word, word[::-1]) for word in sorted(words)],
            )

    def find(self, plan: Plan, limit: int) -> list[int]:
        """As the interface says. The message's own row has the last word on scope and deletion."""
        if plan.only is not None:
            return self._among(plan, limit)
        sql = (
            "SELECT found.rowid FROM chats_search found"
            f" CROSS JOIN chats_message message ON message.id = (found.rowid & {ID_MASK})"
            " WHERE found.words MATCH %s AND found.rowid BETWEEN %s AND %s"
            " AND message.instance_id IN (SELECT value FROM json_each(%s)) AND message.deleted_at IS NULL"
        )
        parameters: list[Any] = [self.expression(plan), plan.first, plan.last, json.dumps(sorted(plan.scope))]
        if plan.but:
            sql += " AND found.rowid NOT IN (SELECT value FROM json_each(%s))"
            parameters.append(json.dumps(sorted(plan.but)))
        with connection.cursor() as cursor:
            cursor.execute(sql + " ORDER BY found.rowid DESC LIMIT %s", [*parameters, limit])
            return [row[0] for row in cursor.fetchall()]

    def _among(self, plan: Plan, limit: int) -> list[int]:
        """Hits among some given keys. FTS5 would look for each of them in every list of the plan, 50 µs a list."""
        wanted = {key for key in plan.only or () if plan.first <= key <= plan.last} - plan.but
        keys = sorted(wanted, reverse=True)
        found: list[int] = []
        for at in range(0, len(keys), AMONG):
            some = keys[at : at + AMONG]
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT document.key, document.words FROM chats_searchdocument document"
                    " CROSS JOIN chats_message message ON message.id = document.id"
                    " WHERE document.id IN (SELECT value FROM json_each(%s))"
                    " AND message.instance_id IN (SELECT value FROM json_each(%s)) AND message.deleted_at IS NULL",
                    [json.dumps(list(map(pk_of, some))), json.dumps(sorted(plan.scope))],
                )
                words = dict(cursor.fetchall())
            found += [key for key in some if key in words and _fulfils(words[key], plan)]
            if len(found) >= limit:
                break
        return found[:limit]

    def expression(self, plan: Plan) -> str:
        """The plan in FTS5's language. Tokens hold neither quotes nor blanks, and stand in quotes."""
        required = " AND ".join("(" + " OR ".join(map(self._phrase, group)) + ")" for group in plan.required)
        # One NOT of them all: a chain of NOTs is as deep as it is long, and newer FTS5 refuses trees deeper than 256.
        excluded = " OR ".join(map(self._phrase, plan.excluded))
        return f"({required}) NOT ({excluded})" if excluded else required

    def _phrase(self, phrase: Phrase) -> str:
        if not phrase.prefix:
            return _quoted(*phrase.tokens)
        *before, last = phrase.tokens
        tokens = self._spelled_out(last, alone=not before)
        if tokens is None:
            return _quoted(*phrase.tokens) + "*"
        return "(" + " OR ".join(_quoted(*before, token) for token in tokens) + ")"

    def _spelled_out(self, start: str, alone: bool) -> list[str] | None:
        """Tokens of which one must be there; None where they are not known or too many."""
        if not is_name(start):
            return None
        if alone and len(start) == SHORT_PREFIX:
            return [start, START + start]
        starts = alone and len(start) < SHORT_PREFIX
        column = f"DISTINCT substr(word, 1, {SHORT_PREFIX})" if starts else "word"
        found = self.beginning(start, column)
        if found is None:
            return None
        return [start, *found, *(START + word for word in found if starts)]


def _fulfils(words: str, plan: Plan) -> bool:
    """Whether FTS5 would find a document, as it is stored, by the plan."""
    text = f" {words} "

    def holds(phrase: Phrase) -> bool:
        return f" {' '.join(phrase.tokens)}" + " " * (not phrase.prefix) in text

    return all(any(map(holds, group)) for group in plan.required) and not any(map(holds, plan.excluded))


def _quoted(*tokens: str) -> str:
    return '"' + " ".join(tokens) + '"'


def _starts(document: Document) -> set[str]:
    """The marks for prefixes."""
    return set(filter(None, map(_start, document.words)))


@lru_cache(maxsize=50_000)
def _start(word: str) -> str:
    return START + word[:SHORT_PREFIX] if len(word) > SHORT_PREFIX and is_name(word) else ""
