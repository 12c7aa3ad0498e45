"""What people are called, in a query: as `Contact.called` has it."""

from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from chats.models import Contact

CALLED = Coalesce(NullIf("name", Value("")), "push_name")


def called(instance: OuterRef | int, jid: str = "actor") -> Subquery:
    """The name of the person whose JID stands in a row's `jid`, as this instance knows them."""
    return Subquery(Contact.objects.filter(instance=instance, jid=OuterRef(jid)).values(words=CALLED)[:1])
