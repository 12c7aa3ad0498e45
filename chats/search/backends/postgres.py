"""PostgreSQL: a narrow table of tsvectors under their keys, with one GIN index.

GIN finds fast but knows no order: to sort all of a common word's million hits
for the newest fifty takes seconds, and the planner's choice between that and
reading backwards is a guess. So the choice is made here, by counting and never
by statistics. Each step stops when the page is full:

1. The newest NEAR rows are read backwards by key (in one instance: its own). A
   common word fills its page here, or shows how many more rows to read.
2. The weeks before that are asked of GIN: as many as the hits so far let
   expect to suffice, and all the rest when there were none.
3. Weeks with more than MANY hits (a word of last year's season) are asked for
   in smaller portions; a single week so full is read backwards, where hits are
   close together.

Words and weeks are two conditions, not one: GIN then leaps in each list to
where the other one is. Within one condition it reads the whole of the shorter
list (eight weeks of two common words: 5.0 against 0.6 ms at a million rows).
For the beginning of a word it first collects all that begins so, from all
times; the words themselves, spelled out by the vocabulary, it can leap in
(18 against 3 ms at ten million).
"""

# Statements are put together from this file's own constants; whatever came
# from a person is a parameter.
# ruff: noqa: S608

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection

from chats.search.backends.base import ACTIONS, WATCHED, Backend, clamp_in_sql, key_in_sql
from chats.search.documents import WEEK_BITS, Document, week_mark, week_of
from chats.search.plan import Phrase, Plan
from chats.search.tokens import is_name

NEAR = 500
# So many hits in them tell how common a word is.
SEEN_OFTEN = 8
# More than this is read backwards only when hits are known to be close together.
FAR = 10_000
# So many hits (or more, for a longer page) are fetched and sorted in a millisecond.
MANY = 600
# GIN walks one list a week; of more, that is slower than to look at all there are.
MOST_WEEKS = 32

_SECOND = clamp_in_sql("least", "greatest", "floor(extract(epoch FROM {row}.sent_at))::bigint")


def _key(row: str) -> str:
    return key_in_sql(_SECOND.format(row=row), f"{row}.id")


def _function(name: str, body: str) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN INSERT INTO chats_searchpending (key) {body}; RETURN NULL; END $$"
    )


# One instance's rows read backwards, however few of all rows they are.
OF_INSTANCE = "CREATE INDEX IF NOT EXISTS chats_search_of_instance ON chats_search (instance_id, key)"
_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in WATCHED)


class PostgresBackend(Backend):
    """The index of a portal that has outgrown SQLite."""

    install = (
        "CREATE TABLE chats_searchpending (id bigserial PRIMARY KEY, key bigint NOT NULL)",
        # Compared byte by byte, so that a prefix is a range whatever the locale.
        'CREATE TABLE chats_searchword (word text COLLATE "C" PRIMARY KEY, backwards text COLLATE "C" NOT NULL)',
        "CREATE INDEX chats_searchword_backwards ON chats_searchword (backwards)",
        "CREATE TABLE chats_search (key bigint PRIMARY KEY, instance_id bigint NOT NULL, words tsvector NOT NULL)",
        # Every search reads the list of what GIN has not sorted in yet: a
        # millisecond for each of its statements at this size, four at the
        # default of 4 MB. The shorter the list, the dearer a message. `tidy`
        # empties it when there is time.
        "CREATE INDEX chats_search_words ON chats_search USING gin (words) WITH (gin_pending_list_limit = 1024)",
        OF_INSTANCE,
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

    def take_pending(self, limit: int) -> list[int]:
        """As the interface says; what another process has just taken is left to it."""
        with connection.cursor() as cursor:
            # Materialized: a subquery with a limit and locks may run more than once, and take more.
            cursor.execute(
                "WITH taken AS MATERIALIZED (SELECT id FROM chats_searchpending"
                " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)"
                " DELETE FROM chats_searchpending pending USING taken WHERE pending.id = taken.id RETURNING key",
                [limit],
            )
            return [row[0] for row in cursor.fetchall()]

    def stored(self, document: Document) -> str:
        """A tsvector's text. Tokens hold neither quotes nor backslashes."""
        places: dict[str, list[str]] = {}
        for place, word in enumerate(document.words, start=1):
            places.setdefault(word, []).append(str(place))
        words = [f"'{word}':{','.join(found)}" for word, found in places.items()]
        return " ".join((*words, *(f"'{mark}'" for mark in document.marks)))

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
                    [self.stored(document) for document in documents],
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

    def tidy(self) -> int:
        """As the interface says: pages of new words that GIN has sorted in."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT gin_clean_pending_list('chats_search_words')")
            return int(cursor.fetchone()[0])

    def find(self, plan: Plan, limit: int) -> list[int]:
        """As the interface says."""
        if plan.only is not None:
            return self._among(plan, limit)
        found, newest, reached = self._near(plan, NEAR, plan.last)
        hits = len(found)
        if SEEN_OFTEN <= hits < limit and reached > plan.first:
            rows = min(FAR, NEAR * limit * 3 // (2 * hits))
            more, _, reached = self._near(plan, rows, reached - 1)
            found += more
        if len(found) < limit and reached > plan.first:
            # As long as it takes, and half as long again; twice as rare as one in all that was looked at.
            expected = (newest - reached) * (limit - len(found)) * 3 // (max(2 * hits, 1))
            found += self._far(plan, reached - 1, limit - len(found), expected)
        return found[:limit]

    def _near(self, plan: Plan, rows: int, last: int) -> tuple[list[int], int, int]:
        """Hits among the newest rows up to the key `last`, and the keys of the newest and the oldest row looked at."""
        where, parameters = _where(plan)
        # Of one instance there may be few among the newest of all; its own are as quick to read.
        mine = f"instance_id = {next(iter(plan.scope))} AND " if len(plan.scope) == 1 else ""
        with connection.cursor() as cursor:
            # The inner LIMIT is a fence: the planner can use no index but those by key.
            cursor.execute(
                f"SELECT count(*), max(key), min(key), array_agg(key) FILTER (WHERE {where})"
                f" FROM (SELECT key, instance_id, words FROM chats_search WHERE {mine}key BETWEEN %s AND %s"
                " ORDER BY key DESC LIMIT %s) near",
                [*parameters, plan.first, last, rows],
            )
            seen, newest, oldest, hits = cursor.fetchone()
        keys = sorted(hits or (), reverse=True)
        return (keys, newest, oldest) if seen == rows else (keys, last, plan.first)

    def _far(self, plan: Plan, last: int, limit: int, expected: int) -> list[int]:
        """Hits with keys up to `last`, by GIN. `expected`: how far down they may reach."""
        found: list[int] = []
        plan = replace(plan, required=tuple(tuple(self._spelled_out(group)) for group in plan.required))
        newest, oldest = week_of(last), week_of(plan.first)
        weeks = min(newest - week_of(max(last - expected, 0)) + 1, MOST_WEEKS)
        many = max(MANY, 2 * limit)
        seasonal = False
        while newest >= oldest and len(found) < limit:
            weeks = min(weeks, newest - oldest + 1)
            hits = self._within(plan, newest, newest - weeks + 1, last, many)
            if len(hits) < many:
                found += sorted(hits, reverse=True)
                newest -= weeks
                if hits:
                    weeks = weeks * (limit - len(found)) * 3 // (2 * len(hits)) + 1
                else:
                    weeks = 4 * weeks if seasonal else newest + 1
            elif weeks > 1:
                seasonal = True
                newest = min(newest, self._newest_week(newest))
                weeks = min(weeks // 4, MOST_WEEKS) or 1
            else:
                found += self._backwards(plan, newest, last, limit - len(found))
                newest -= 1
        return found

    def _spelled_out(self, group: tuple[Phrase, ...]) -> Iterator[Phrase]:
        for phrase in group:
            *before, start = phrase.tokens
            words = self.beginning(start) if phrase.prefix and is_name(start) else None
            if words is None:
                yield phrase
            else:
                yield from (Phrase((*before, word)) for word in {start, *words})

    def _newest_week(self, week: int) -> int:
        """The newest week, up to this one, of which there is any message."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT max(key) FROM chats_search WHERE key < %s", [week + 1 << WEEK_BITS])
            return week_of(cursor.fetchone()[0] or 0)

    def _within(self, plan: Plan, newest: int, oldest: int, last: int, many: int) -> list[int]:
        """Up to `many` hits of some weeks, in no order."""
        first = max(oldest << WEEK_BITS, plan.first)
        last = min((newest + 1 << WEEK_BITS) - 1, last)
        where, parameters = _where(plan)
        if newest - oldest < MOST_WEEKS:
            weeks = tuple(Phrase((week_mark(week),)) for week in range(oldest, newest + 1))
            where, parameters = f"words @@ %s::tsquery AND {where}", [expression((weeks,)), *parameters]
        # Left to itself, the planner may read by key instead, for all of the rest.
        sql = f"SELECT key FROM chats_search WHERE {where} AND key + 0 BETWEEN %s AND %s LIMIT {many}"
        with connection.cursor() as cursor:
            cursor.execute(sql, [*parameters, first, last])
            return [row[0] for row in cursor.fetchall()]

    def _backwards(self, plan: Plan, week: int, last: int, limit: int) -> list[int]:
        """The newest hits of a week that is full of them."""
        first = max(week << WEEK_BITS, plan.first)
        last = min((week + 1 << WEEK_BITS) - 1, last)
        where, parameters = _where(plan)
        sql = f"SELECT key FROM chats_search WHERE {where} AND key BETWEEN %s AND %s ORDER BY key DESC LIMIT {limit}"
        with connection.cursor() as cursor:
            cursor.execute(sql, [*parameters, first, last])
            return [row[0] for row in cursor.fetchall()]

    def _among(self, plan: Plan, limit: int) -> list[int]:
        """Hits among some given keys."""
        keys = [key for key in plan.only or () if plan.first <= key <= plan.last]
        where, parameters = _where(plan)
        sql = f"SELECT key FROM chats_search WHERE key = ANY(%s) AND {where} ORDER BY key DESC LIMIT {limit}"
        with connection.cursor() as cursor:
            cursor.execute(sql, [keys, *parameters])
            return [row[0] for row in cursor.fetchall()]


def _where(plan: Plan) -> tuple[str, list[Any]]:
    """The condition but for the keys: words, and always the scope."""
    parameters: list[Any] = [expression(plan.required, plan.excluded), sorted(plan.scope)]
    if not plan.but:
        return "words @@ %s::tsquery AND instance_id = ANY(%s)", parameters
    return "words @@ %s::tsquery AND instance_id = ANY(%s) AND key <> ALL(%s)", [*parameters, sorted(plan.but)]


def expression(required: tuple[tuple[Phrase, ...], ...], excluded: tuple[Phrase, ...] = ()) -> str:
    """A tsquery's text. Tokens hold neither quotes nor backslashes, and stand in quotes."""
    parts = ["(" + " | ".join(map(_phrase, group)) + ")" for group in required]
    parts += [f"!({_phrase(phrase)})" for phrase in excluded]
    return " & ".join(parts)


def _phrase(phrase: Phrase) -> str:
    *before, last = (f"'{token}'" for token in phrase.tokens)
    return " <-> ".join((*before, last + (":*" if phrase.prefix else "")))
