"""What people are called, in a query: as `Contact.called` has it; and who has no name, by their number."""

import re

from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from chats.models import Contact

CALLED = Coalesce(NullIf("name", Value("")), "push_name")


def called(instance: OuterRef | int, jid: str = "actor") -> Subquery:
    """The name of the person whose JID stands in a row's `jid`, as this instance knows them."""
    return Subquery(Contact.objects.filter(instance=instance, jid=OuterRef(jid)).values(words=CALLED)[:1])


def numbered(column: str, text: str) -> Q:
    """Rows in whose `column`, a JID, the number stands that was typed, however it was written; else no condition."""
    digits = re.sub(r"[().+/\s-]", "", text)
    return Q(**{f"{column}__contains": digits}) if re.fullmatch(r"[0-9]{3,20}", digits) else Q()
