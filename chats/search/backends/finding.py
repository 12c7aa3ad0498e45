"""PostgreSQL's way through a search, as a function in the database: one question and one answer, plans made once.

GIN finds fast but knows no order: to sort all of a common word's million hits
for the newest fifty takes seconds, and the planner's choice between that and
reading backwards is a guess. So the choice is made here, by counting and never
by statistics:

1. The newest `near` rows are read backwards by key (in one instance: its own,
   fewer of them, since each lies somewhere else), and more as long as that
   promises to fill the page with no more than `far`.
2. What is older is asked of GIN, as far down as the hits so far let expect to
   suffice; sixteen times as far when there were none.
3. A stretch with `many` hits (a word of last year's season) is asked for in
   smaller portions; one unit of time so full is read backwards, where hits are
   close together.

In the index beside the words stand the units of time in which a row's key
lies, of three sizes, and the same of its instance alone. A stretch is some
units of one size, up to MOST_UNITS: GIN leaps in the words' lists to where the
units are. They are a column of their own: within one condition, GIN would read
the whole of the shorter list (eight weeks of two common words: 5.0 against 0.6
ms at a million rows). And they are the first: GIN asks the second column
nothing before the first one matches, and words would be gone through from one
place where all of them stand to the next.
"""

# Statements are put together from this file's own constants; whatever came
# from a person is a parameter.
# ruff: noqa: S608

from chats.search.keys import ID_BITS

# Units of 2^17, 2^20 and 2^23 seconds: a day and a half, twelve days, a quarter of a year.
FINEST = ID_BITS + 17
STEP = 3
SIZES = 3
# Numbers of units of one size begin where those of the size below end: there are 2^15 of the finest.
APART = 1 << 16
MOST_UNITS = 12
# Seconds that MOST_UNITS of the largest size are sure to cover, wherever they begin.
LONGEST = (MOST_UNITS - 2) << (FINEST + STEP * (SIZES - 1) - ID_BITS)
# Rows. What GIN takes for common words grows with them, and reading one backwards costs a third of a microsecond.
LARGE = 4_000_000
OFTEN = 800

# Above these the instance: units of its own rows.
INSTANCE_BITS = 20

_OF_ALL = [f"{APART * size} + (key >> {FINEST + STEP * size})" for size in range(SIZES)]
_OF_ONE = [f"(instance_id << {INSTANCE_BITS}) + {unit}" for unit in _OF_ALL]
UNITS = f"(ARRAY[{', '.join(_OF_ALL + _OF_ONE)}])"

_MATCHES = "words @@ query AND key <> ALL (but)"


# The newest rows of what is left: how many, the keys of the newest and the oldest, and the hits among them.
# The inner LIMIT is a fence: the planner can use no index but those by key. The pairs say which.
_NEAR = f"""
        IF cardinality(scope) = 1 THEN
            SELECT count(*), max(key), min(key), array_agg(key) FILTER (WHERE {_MATCHES})
            INTO seen, latest, oldest, hits
            FROM (SELECT key, words FROM chats_search
                  WHERE (instance_id, key) >= (scope[1], lowest) AND (instance_id, key) <= (scope[1], top)
                  ORDER BY instance_id DESC, key DESC LIMIT rows) near;
        ELSE
            SELECT count(*), max(key), min(key),
                array_agg(key) FILTER (WHERE {_MATCHES} AND instance_id = ANY (scope))
            INTO seen, latest, oldest, hits
            FROM (SELECT key, instance_id, words FROM chats_search
                  WHERE key BETWEEN lowest AND top ORDER BY key DESC LIMIT rows) near;
        END IF;
        found := found || hits;"""


def _by_gin(units: str = "") -> str:
    # Added to nothing, so that no other index looks fit.
    return f"""ARRAY(
                SELECT key FROM chats_search WHERE {_MATCHES}{units}
                AND key + 0 BETWEEN low AND top AND instance_id + 0 = ANY (scope) LIMIT many)"""


# `typed`: the tsquery's text. `marks`: of the one instance, as text, needed where its units are not; else empty.
# `starts`: beginnings of words in `typed`, to be spelled out by the vocabulary.
_ARGUMENTS = (
    "typed text, marks text, starts text[], scope bigint[], but bigint[], lowest bigint, highest bigint, "
    "wanted integer, near integer, far integer, many integer, spelled integer"
)
FIND = f"""
CREATE FUNCTION chats_search_find({_ARGUMENTS}) RETURNS bigint[]
LANGUAGE plpgsql STABLE
-- There is one right index for each statement below; these leave nothing to weigh.
SET enable_seqscan = off SET enable_sort = off SET jit = off SET max_parallel_workers_per_gather = 0
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    query tsquery := typed::tsquery;
    instances tsquery := nullif(marks, '')::tsquery;
    found bigint[] := '{{}}';
    hits bigint[];
    seen integer;
    total double precision;
    looked_at integer := 0;
    rows integer := near;
    more double precision;
    latest bigint;
    newest bigint := 0;
    oldest bigint;
    -- What is left to look at reaches from here down; how far down to look next, in seconds.
    top bigint := highest;
    low bigint;
    reach double precision;
    looked bigint;
    size integer;
    bits integer;
    first_unit bigint;
    last_unit bigint;
    -- The one instance in scope, or none: whose units.
    whose bigint := CASE cardinality(scope) WHEN 1 THEN scope[1] ELSE 0 END;
    units bigint[];
    whole double precision;
    growth integer := 16;
    few double precision := many / 2;
    start text;
    spellings text[];
BEGIN
    SELECT reltuples INTO total FROM pg_class WHERE oid = 'chats_search'::regclass;
    IF cardinality(scope) > 1 THEN
        far := greatest(far, total / {OFTEN});
    END IF;
    LOOP
        {_NEAR}
        looked_at := looked_at + seen;
        IF seen < rows OR cardinality(found) >= wanted THEN
            RETURN found;
        END IF;
        newest := greatest(newest, latest);
        top := oldest - 1;
        -- As many as it takes, and half as many again; twice as rare as one in all that was looked at.
        more := 1.5 * (wanted - cardinality(found)) / greatest(cardinality(found), 0.5);
        IF looked_at * more <= far AND looked_at <= 2 * far THEN
            rows := greatest(ceil(looked_at * more), near / 4, 1);
        ELSE
            -- In a large table each question to GIN takes milliseconds: a better guess is worth another look.
            EXIT WHEN looked_at > near OR cardinality(scope) = 1 OR total < {LARGE};
            rows := 4 * near;
        END IF;
    END LOOP;
    SELECT (max(key) >> {ID_BITS}) - (min(key) >> {ID_BITS}) INTO whole FROM chats_search;
    looked := greatest((newest >> {ID_BITS}) - (oldest >> {ID_BITS}), 1);
    reach := looked * more;
    seen := cardinality(found);
    FOREACH start IN ARRAY starts LOOP
        spellings := ARRAY(SELECT word FROM chats_searchword
            WHERE word >= start AND word < start || chr({0x10FFFF}) LIMIT spelled + 1);
        IF cardinality(spellings) <= spelled THEN
            spellings := ARRAY(SELECT quote_literal(word) FROM unnest(start || spellings) word);
            typed := replace(typed, quote_literal(start) || ':*', '(' || array_to_string(spellings, ' | ') || ')');
        END IF;
    END LOOP;
    query := typed::tsquery;
    WHILE cardinality(found) < wanted AND top >= lowest LOOP
        low := greatest(lowest, ((top >> {ID_BITS}) - least(reach, {1 << 32})::bigint) << {ID_BITS});
        size := 0;
        bits := {FINEST};
        -- Where few are to be expected at all, of whatever time, the units would only make it longer.
        IF (seen + 0.5) * whole / looked < few THEN
            size := {SIZES};
        END IF;
        WHILE size < {SIZES} AND (top >> bits) - (low >> bits) >= {MOST_UNITS} LOOP
            size := size + 1;
            bits := bits + {STEP};
        END LOOP;
        IF size < {SIZES} THEN
            first_unit := low >> bits;
            last_unit := top >> bits;
            low := greatest(lowest, first_unit << bits);
            units := ARRAY(SELECT {APART} * size + unit + (whose << {INSTANCE_BITS})
                FROM generate_series(first_unit, last_unit) unit);
            hits := {_by_gin(f" AND {UNITS} && units")};
        ELSE
            low := lowest;
            query := coalesce(query && instances, query);
            hits := {_by_gin()};
        END IF;
        looked := (top >> {ID_BITS}) - (low >> {ID_BITS}) + 1;
        seen := cardinality(hits);
        IF seen < many THEN
            found := found || hits;
            top := low - 1;
            reach := CASE seen WHEN 0 THEN greatest(reach, looked) * growth
                ELSE looked * 1.5 * (wanted - cardinality(found)) / seen END;
        ELSIF size = 0 AND first_unit = last_unit THEN
            found := found || ARRAY(
                SELECT key FROM chats_search WHERE {_MATCHES} AND instance_id = ANY (scope)
                AND key BETWEEN low AND top ORDER BY key DESC LIMIT wanted - cardinality(found));
            top := low - 1;
        ELSE
            growth := 2;
            few := 0;
            -- The newest unit alone, where a quarter might be more than that.
            reach := CASE WHEN size = 0 AND last_unit - first_unit < 4
                THEN (top - (last_unit << bits)) >> {ID_BITS} ELSE least(looked / 4, {LONGEST}) END;
        END IF;
    END LOOP;
    RETURN found;
END $$
"""

FORGET = "DROP FUNCTION IF EXISTS chats_search_find"
