"""Carrying out one errand: once, whoever runs, whatever dies. As `chats.schedule.runner` does with a step."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_noop

from chats import pins
from chats.claims import unclaimed
from chats.errors import CannotBePinned
from chats.models import Errand, Pin, PinEvent
from chats.pinbook import Asker, Wish
from instances.whatsapp.errors import Busy, NotConfirmed, NotConnected, Refused, WhatsAppError

State = Errand.State

NOT_STORED = gettext_noop("The message is not stored any more.")
NOT_PINNED = gettext_noop("It was not pinned.")


class Came(Enum):
    """What trying brought, for whoever paces."""

    THROUGH = "through"
    # WhatsApp refused it, or did not confirm: much of that is a sign to stop.
    TROUBLE = "trouble"
    # Nothing was sent, and it waits on.
    NOT_NOW = "not now"


def free(now: datetime) -> Q:
    """Errands that nobody is at, or whose worker died."""
    return Q(state=State.WAITING) & unclaimed(now)


def carry_out(
    errand: Errand,
    wish: Wish,
    asker: Asker,
    now: datetime,
    *,
    only_pinned: bool = False,
    ended: Callable[[Errand], None] = lambda _: None,
) -> Came:
    """Do what a claimed errand is for, and write down what came of it.

    `only_pinned`: there is something to do only while the message is pinned, or may be.
    `ended` hears of the outcome, in the transaction that writes it down.
    """

    def end(state: Errand.State, detail: str = "") -> Came:
        with transaction.atomic():
            if _write(errand, state=state, detail=detail[:300], at=now, claimed_until=None):
                ended(errand)
        return Came.THROUGH

    message = errand.message
    if message is None:
        return end(State.FAILED, NOT_STORED)
    begun = PinEvent.objects.filter(attempt=errand.attempt).exists()
    if not begun and only_pinned and not _may_be_pinned(message.pk):
        return end(State.SKIPPED, NOT_PINNED)
    asker = Asker(asker.words, asker.token, errand.attempt)
    try:
        if wish.duration is None:
            pins.unpin(message, asker)
        else:
            pins.pin(message, wish.duration, asker)
    except (NotConnected, Busy):
        _write(errand, claimed_until=None, attempt=None)
        return Came.NOT_NOW
    except NotConfirmed as error:
        end(State.UNKNOWN, str(error))
        return Came.TROUBLE
    except (CannotBePinned, WhatsAppError) as error:
        end(State.FAILED, str(error))
        return Came.TROUBLE if isinstance(error, Refused) else Came.THROUGH
    return end(State.DONE)


def _may_be_pinned(message: int) -> bool:
    return Pin.objects.filter(message=message, state__in=Pin.MAY_BE_SHOWN).exists()


def _write(errand: Errand, **fields: object) -> bool:
    """Write, if the claim is still ours: another worker may have taken over."""
    mine = type(errand)._default_manager.filter(pk=errand.pk, state=State.WAITING, attempt=errand.attempt)
    written = bool(mine.update(**fields))
    if written:
        for name, value in fields.items():
            setattr(errand, name, value)
    return written
