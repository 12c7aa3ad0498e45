"""Names that very many bear: those people's and chats' marks are too many for an index, so the rows are asked.

Each mark is one more list for an index to open (50 µs in FTS5), and PostgreSQL
compares every row it looks at with all of them. A few hundred are asked for in
the index. Of more, the rest of the plan is asked for, newest first, and each
message's own row says whose it is. As they are many, so are their messages.
"""

from collections.abc import Sequence

from chats.models import Message
from chats.search.backends import backend
from chats.search.documents import marks_of
from chats.search.keys import Cursor, pk_of
from chats.search.plan import Plan
from portal.prepared import Integers, IsOneOf, Prepared

# So many are asked for at once, and so many looked at for one page: one or two tenths of a second.
PORTION = 2_000
LOOKED_AT = 20_000

_ROWS = Prepared(
    lambda pks: Message.objects.filter(IsOneOf("pk", pks)).values_list("pk", "chat_id", "sender", "kind", "from_me"),
    pks=Integers(),
)


def find(plan: Plan, limit: int) -> tuple[list[int], int | None]:
    """Keys that fulfil the plan, largest first, and down to which key these are all; None: there are no more.

    `limit` of them or a few more; fewer, or none, where they are rare among LOOKED_AT.
    """
    found: list[int] = []
    looked = 0
    portion = limit
    while not plan.hopeless:
        keys = backend().find(plan, portion)
        found += _through(plan, keys)
        looked += len(keys)
        if len(keys) < portion:
            break
        if len(found) >= limit or looked >= LOOKED_AT:
            return found, keys[-1]
        plan = plan.before(Cursor(keys[-1]))
        portion = max(portion, min(4 * portion, PORTION))
    return found, None


def _through(plan: Plan, keys: Sequence[int]) -> list[int]:
    """Those of the keys whose message has a mark of each of the crowds, and none of those left out."""
    if not plan.crowds and not plan.left_out:
        return list(keys)
    rows = _ROWS.rows(pks=map(pk_of, keys))
    marks = {pk: marks_of(chat, sender, kind, from_me) for pk, chat, sender, kind, from_me in rows}
    there = ((key, marks[pk_of(key)]) for key in keys if pk_of(key) in marks)
    return [
        key
        for key, own in there
        if all(not crowd.isdisjoint(own) for crowd in plan.crowds) and plan.left_out.isdisjoint(own)
    ]
