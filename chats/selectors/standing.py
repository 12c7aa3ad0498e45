"""What was made with a token and goes on without it: it belongs to the instance."""

from collections.abc import Collection

from chats.models import Rule, Schedule


def made_with(keys: Collection[int]) -> tuple[int, int]:
    """How many plans wait, and how many rules are on, that were made with the tokens of these keys."""
    plans = Schedule.objects.filter(token__in=keys, state=Schedule.State.WAITING)
    return plans.count(), Rule.objects.filter(token__in=keys, active=True).count()
