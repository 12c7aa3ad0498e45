"""PostgreSQL: a narrow table of tsvectors under their keys, with one GIN index; `finding` is how it is searched."""

# Statements are put together from this file's own constants; whatever came
# from a person is a parameter.
# ruff: noqa: S608

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from chats.search.backends.base import ACTIONS, MAX_SPELLED_OUT, WATCHED, Backend, clamp_in_sql, key_in_sql
from chats.search.backends.finding import FIND, FORGET, UNITS
from chats.search.documents import Document, instance_mark
from chats.search.plan import Phrase, Plan
from chats.search.tokens import is_name

Groups = tuple[tuple[Phrase, ...], ...]
# So many of the newest rows are looked at first; in one instance fewer, as each lies somewhere else.
NEAR, NEAR_IN_ONE = 500, 60
# More than this is not read backwards at once, however common a word.
FAR, FAR_IN_ONE = 5_000, 100
# So many hits (or more, for a longer page) are fetched and sorted in a millisecond.
MANY = 600

# A tsvector keeps so many places of a word and forgets where else it stands. Of a message that has more of one:
KEPT_PLACES = 255
OVERFULL = chr(0xE008)

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
# Every search reads the list of what GIN has not sorted in yet, a millisecond a
# megabyte for each question to GIN. The shorter the list, the dearer a message.
# `tidy` empties it every ten seconds, so that only history makes it as long as this.
PENDING = "WITH (gin_pending_list_limit = 4096)"
GIN = f"CREATE INDEX chats_search_words ON chats_search USING gin ({UNITS}, words) {PENDING}"
_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in WATCHED)


class PostgresBackend(Backend):
    """The index of a portal that has outgrown SQLite."""

    install = (
        "CREATE TABLE chats_searchpending (id bigserial PRIMARY KEY, key bigint NOT NULL)",
        # Compared byte by byte, so that a prefix is a range whatever the locale.
        'CREATE TABLE chats_searchword (word text COLLATE "C" PRIMARY KEY, backwards text COLLATE "C" NOT NULL)',
        "CREATE INDEX chats_searchword_backwards ON chats_searchword (backwards)",
        "CREATE TABLE chats_search (key bigint PRIMARY KEY, instance_id bigint NOT NULL, words tsvector NOT NULL)",
        GIN,
        OF_INSTANCE,
        FIND,
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
        FORGET,
        "DROP TABLE IF EXISTS chats_search",
        "DROP TABLE IF EXISTS chats_searchword",
        "DROP TABLE IF EXISTS chats_searchpending",
    )

    # Those of which an index made before there was the mark forgot places. A place takes two bytes.
    note_overfull = (
        "INSERT INTO chats_searchpending (key) SELECT key FROM chats_search WHERE pg_column_size(words) > 300"
        f" AND EXISTS (SELECT 1 FROM unnest(words) word WHERE cardinality(word.positions) >= {KEPT_PLACES})"
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
        overfull = [OVERFULL] if max(map(len, places.values()), default=0) > KEPT_PLACES else []
        return " ".join((*words, *(f"'{mark}'" for mark in (*document.marks, *overfull))))

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
        required, marks = _without_instance(plan)
        starts = {phrase.tokens[-1] for group in plan.required for phrase in group if phrase.prefix}
        near, far = (NEAR_IN_ONE, FAR_IN_ONE) if len(plan.scope) == 1 else (NEAR, FAR)
        parameters: list[Any] = [
            expression(required, plan.excluded), expression(marks), sorted(filter(is_name, starts)), sorted(plan.scope),
            sorted(plan.but), plan.first, plan.last, limit, near, far,
            max(MANY, 2 * limit), MAX_SPELLED_OUT,
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT chats_search_find({', '.join(['%s'] * len(parameters))})", parameters)
            return sorted(cursor.fetchone()[0], reverse=True)[:limit]

    def _among(self, plan: Plan, limit: int) -> list[int]:
        """Hits among some given keys."""
        keys = [key for key in plan.only or () if plan.first <= key <= plan.last]
        where, parameters = _where(plan)
        sql = f"SELECT key FROM chats_search WHERE key = ANY(%s) AND {where} ORDER BY key DESC LIMIT {limit}"
        with connection.cursor() as cursor:
            cursor.execute(sql, [keys, *parameters])
            return [row[0] for row in cursor.fetchall()]


def _without_instance(plan: Plan) -> tuple[Groups, Groups]:
    """What is required, without the mark of the one instance in scope, and the mark. It may be all that is required."""
    mark = tuple(Phrase((instance_mark(pk),)) for pk in plan.scope)
    if len(plan.scope) != 1 or plan.required[1:] == () or mark not in plan.required:
        return plan.required, ()
    return tuple(group for group in plan.required if group != mark), (mark,)


def _where(plan: Plan) -> tuple[str, list[Any]]:
    """The condition but for the keys: words, and always the scope."""
    parameters: list[Any] = [expression(plan.required, plan.excluded), sorted(plan.scope)]
    if not plan.but:
        return "words @@ %s::tsquery AND instance_id = ANY(%s)", parameters
    return "words @@ %s::tsquery AND instance_id = ANY(%s) AND key <> ALL(%s)", [*parameters, sorted(plan.but)]


def expression(required: Groups, excluded: tuple[Phrase, ...] = ()) -> str:
    """A tsquery's text. Tokens hold neither quotes nor backslashes, and stand in quotes."""
    parts = ["(" + " | ".join(map(_phrase_or_words, group)) + ")" for group in required]
    parts += [f"!({_phrase(phrase)})" for phrase in excluded]
    return " & ".join(parts)


def _phrase_or_words(phrase: Phrase) -> str:
    """Where places were forgotten, all words of a phrase are enough: better to find too much than nothing."""
    if len(phrase.tokens) == 1:
        return _phrase(phrase)
    return f"{_phrase(phrase)} | ({_phrase(phrase, ' & ')} & '{OVERFULL}')"


def _phrase(phrase: Phrase, between: str = " <-> ") -> str:
    *before, last = (f"'{token}'" for token in phrase.tokens)
    return between.join((*before, last + (":*" if phrase.prefix else "")))
