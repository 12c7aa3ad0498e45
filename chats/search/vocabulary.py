"""Every word ever seen, once: where suggestions and the words of a prefix come from."""

from django.db import connection, transaction

from chats.search.backends import backend
from chats.search.tokens import is_name

# What this process knows to be stored already; most words of a batch are. By
# database, because tests change it.
_known: dict[str, set[str]] = {}
MAX_KNOWN = 300_000


def learn(tokens: set[str]) -> None:
    """Add what is a word and is new."""
    known = _known.setdefault(str(connection.settings_dict["NAME"]), set())
    fresh = {token for token in tokens - known if is_name(token)}
    if not fresh:
        return
    backend().learn(fresh)
    if len(known) < MAX_KNOWN:
        # Not before: a transaction may be rolled back.
        transaction.on_commit(lambda: known.update(fresh))


def forget() -> None:
    """Know nothing: for whoever empties the table."""
    _known.clear()
