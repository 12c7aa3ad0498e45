"""PostgreSQL: a narrow table of tsvectors under their keys, with one GIN index.

GIN finds fast but knows no order: to sort all of a common word's million hits
for the newest fifty takes seconds, and the planner's choice between that and
reading backwards is a guess. So the choice is made here, by counting, never by
statistics. Every document bears the mark of its week. A search looks at a few
recent weeks, then at eight times as many, and so on. A span that holds more
than MANY hits is halved until it holds fewer, and those are sorted; a single
week so full is read backwards by key, where hits are then close together.
"""

# Statements are put together from this file's own constants; whatever came
# from a person is a parameter.
# ruff: noqa: S608

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection

from chats.search.backends.base import ACTIONS, WATCHED, Backend, clamp_in_sql, key_in_sql
from chats.search.documents import WEEK_BITS, Document, week_mark, week_of
from chats.search.plan import Phrase, Plan

FIRST_WEEKS = 2
GROWTH = 8
# So many hits are fetched and sorted in about 2 ms.
MANY = 1_000

_SECOND = clamp_in_sql("least", "greatest", "floor(extract(epoch FROM {row}.sent_at))::bigint")


def _key(row: str) -> str:
    return key_in_sql(_SECOND.format(row=row), f"{row}.id")


def _function(name: str, body: str) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN INSERT INTO chats_searchpending (key) {body}; RETURN NULL; END $$"
    )


_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in WATCHED)


class PostgresBackend(Backend):
    """The index of a portal that has outgrown SQLite."""

    install = (
        "CREATE TABLE chats_searchpending (id bigserial PRIMARY KEY, key bigint NOT NULL)",
        # Compared byte by byte, so that a prefix is a range whatever the locale.
        'CREATE TABLE chats_searchword (word text COLLATE "C" PRIMARY KEY, backwards text COLLATE "C" NOT NULL)',
        "CREATE INDEX chats_searchword_backwards ON chats_searchword (backwards)",
        "CREATE TABLE chats_search (key bigint PRIMARY KEY, instance_id bigint NOT NULL, words tsvector NOT NULL)",
        "CREATE INDEX chats_search_words ON chats_search USING gin (words)",
        _function("chats_search_added", f"SELECT {_key('row')} FROM added row WHERE row.kind NOT IN ({ACTIONS})"),
        _function("chats_search_changed", f"VALUES ({_key('OLD')}), ({_key('NEW')})"),
        _function("chats_search_removed", f"SELECT {_key('row')} FROM removed row"),
        # Once a statement, not once a row: that is what makes batches cheap.
        "CREATE TRIGGER chats_search_added AFTER INSERT ON chats_message REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION chats_search_added()",
        f"CREATE TRIGGER chats_search_changed AFTER UPDATE OF {', '.join(WATCHED)} ON chats_message"
        f" FOR EACH ROW WHEN ({_CHANGED}) EXECUTE FUNCTION chats_search_changed()",
        "CREATE TRIGGER chats_search_removed AFTER DELETE ON chats_message REFERENCING OLD TABLE AS removed"
        " FOR EACH STATEMENT EXECUTE FUNCTION chats_search_removed()",
        "CREATE FUNCTION chats_search_emptied() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN TRUNCATE chats_search, chats_searchpending; RETURN NULL; END $$",
        "CREATE TRIGGER chats_search_emptied AFTER TRUNCATE ON chats_message"
        " FOR EACH STATEMENT EXECUTE FUNCTION chats_search_emptied()",
    )
    uninstall = (
        *(
            statement
            for name in ("added", "changed", "removed", "emptied")
            for statement in (
                f"DROP TRIGGER IF EXISTS chats_search_{name} ON chats_message",
                f"DROP FUNCTION IF EXISTS chats_search_{name}()",
            )
        ),
        "DROP TABLE IF EXISTS chats_search",
        "DROP TABLE IF EXISTS chats_searchword",
        "DROP TABLE IF EXISTS chats_searchpending",
    )

    note_all = f"INSERT INTO chats_searchpending (key) SELECT {_key('row')} FROM chats_message row"

    def take_pending(self, limit: int) -> set[int]:
        """As the interface says; what another process has just taken is left to it."""
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM chats_searchpending WHERE id IN (SELECT id FROM chats_searchpending"
                " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING key",
                [limit],
            )
            return {row[0] for row in cursor.fetchall()}

    def write(self, documents: Sequence[Document]) -> None:
        """As the interface says."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO chats_search (key, instance_id, words)"
                " SELECT key, instance, words::tsvector FROM unnest(%s::bigint[], %s::bigint[], %s::text[])"
                " AS fresh (key, instance, words)"
                " ON CONFLICT (key) DO UPDATE SET instance_id = EXCLUDED.instance_id, words = EXCLUDED.words",
                [
                    [document.key for document in documents],
                    [document.instance for document in documents],
                    [_vector(document) for document in documents],
                ],
            )

    def remove(self, keys: Iterable[int]) -> None:
        """As the interface says."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM chats_search WHERE key = ANY(%s)", [list(keys)])

    def learn(self, words: set[str]) -> None:
        """As the interface says. Sorted, so that two processes with the same new words do not lock each other out."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO chats_searchword (word, backwards)"
                " SELECT word, reverse(word) FROM unnest(%s::text[]) AS fresh (word)"
                " WHERE NOT EXISTS (SELECT 1 FROM chats_searchword known WHERE known.word = fresh.word)"
                " ON CONFLICT DO NOTHING",
                [sorted(words)],
            )

    def find(self, plan: Plan, limit: int) -> list[int]:
        """As the interface says."""
        if plan.only is not None:
            return self._among(plan, limit)
        newest = self._edge(plan, "max")
        oldest = self._edge(plan, "min")
        if newest is None or oldest is None:
            return []
        found: list[int] = []
        spans = list(_spans(newest, oldest))[::-1]
        while spans and len(found) < limit:
            newer, older = spans.pop()
            keys = self._within(plan, newer, older)
            if len(keys) < MANY:
                found += sorted(keys, reverse=True)
            elif newer > older:
                middle = (newer + older + 1) // 2
                spans += [(middle - 1, older), (newer, middle)]
            else:
                found += self._backwards(plan, newer, limit - len(found))
        return found[:limit]

    def _edge(self, plan: Plan, end: str) -> int | None:
        """The week of the newest or oldest message there is, of anybody's."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {end}(key) FROM chats_search WHERE key BETWEEN %s AND %s",
                [plan.first, plan.last],
            )
            key = cursor.fetchone()[0]
        return None if key is None else week_of(key)

    def _within(self, plan: Plan, newer: int, older: int) -> list[int]:
        """Up to MANY hits of some weeks, in no order."""
        weeks = tuple(Phrase((week_mark(week),)) for week in range(older, newer + 1))
        return self._keys(plan, (*plan.required, weeks), plan.first, plan.last, f"LIMIT {MANY}")

    def _backwards(self, plan: Plan, week: int, limit: int) -> list[int]:
        first, last = week << WEEK_BITS, (week + 1 << WEEK_BITS) - 1
        return self._keys(
            plan, plan.required, max(first, plan.first), min(last, plan.last), f"ORDER BY key DESC LIMIT {limit}"
        )

    def _among(self, plan: Plan, limit: int) -> list[int]:
        """Hits among some given keys."""
        keys = sorted(key for key in plan.only or () if plan.first <= key <= plan.last)
        return self._keys(plan, plan.required, plan.first, plan.last, f"ORDER BY key DESC LIMIT {limit}", keys)

    def _keys(
        self,
        plan: Plan,
        required: tuple[tuple[Phrase, ...], ...],
        first: int,
        last: int,
        tail: str,
        only: list[int] | None = None,
    ) -> list[int]:
        sql = (
            "SELECT key FROM chats_search WHERE words @@ %s::tsquery AND key BETWEEN %s AND %s"
            " AND instance_id = ANY(%s)"
        )
        parameters: list[Any] = [expression(required, plan.excluded), first, last, sorted(plan.scope)]
        if only is not None:
            sql += " AND key = ANY(%s)"
            parameters.append(only)
        if plan.but:
            sql += " AND key <> ALL(%s)"
            parameters.append(sorted(plan.but))
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} {tail}", parameters)
            return [row[0] for row in cursor.fetchall()]


def _spans(newest: int, oldest: int) -> Iterator[tuple[int, int]]:
    """Weeks in spans that grow, newest first: (newest week, oldest week) of each."""
    size = FIRST_WEEKS
    while newest >= oldest:
        end = max(newest - size + 1, oldest)
        yield newest, end
        newest, size = end - 1, size * GROWTH


def _vector(document: Document) -> str:
    """A tsvector's text. Tokens hold neither quotes nor backslashes."""
    places: dict[str, list[str]] = {}
    for place, word in enumerate(document.words, start=1):
        places.setdefault(word, []).append(str(place))
    words = [f"'{word}':{','.join(found)}" for word, found in places.items()]
    return " ".join((*words, *(f"'{mark}'" for mark in document.marks)))


def expression(required: tuple[tuple[Phrase, ...], ...], excluded: tuple[Phrase, ...]) -> str:
    """A tsquery's text. Tokens hold neither quotes nor backslashes, and stand in quotes."""
    parts = ["(" + " | ".join(map(_phrase, group)) + ")" for group in required]
    parts += [f"!({_phrase(phrase)})" for phrase in excluded]
    return " & ".join(parts)


def _phrase(phrase: Phrase) -> str:
    *before, last = (f"'{token}'" for token in phrase.tokens)
    return " <-> ".join((*before, last + (":*" if phrase.prefix else "")))
