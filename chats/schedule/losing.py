"""What happens to a message's plans when the message itself is forgotten: they go with it, and it is said.

The event goes out to other programs, the agenda shows it for a while, and the
audit keeps it.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext_noop

from chats import news, pinbook
from chats.events import of_schedule
from chats.models import LostSchedule, Schedule
from chats.pinbook import Wish
from chats.schedule.runner import asker
from portal import audit

FORGOTTEN = gettext_noop("The message was too old to be kept here, and what was planned for it went with it.")
# So long the agenda shows it.
SHOWN = timedelta(days=14)


def lose(messages: Sequence[int]) -> int:
    """Report what is planned for messages that are about to be deleted, in the same transaction; how much that was."""
    waiting = Schedule.objects.filter(message__in=messages, state=Schedule.State.WAITING)
    plans = list(waiting.select_related("message__chat", "message__instance__account", "token"))
    for plan in plans:
        message, instance = plan.message, plan.message.instance
        duration = None if plan.step == Schedule.Step.UNPIN else plan.duration
        pinbook.missed(message, Wish(duration), asker(plan), FORGOTTEN)
        news.schedule_changed(of_schedule(plan, "lost", asker(plan).words, FORGOTTEN))
        LostSchedule.objects.create(
            instance=instance,
            chat_name=(message.chat.name or message.chat.jid)[:200],
            called=message.message_id,
            step=plan.step,
            due_at=plan.due_at,
            actor=plan.actor,
        )
        target = f"{instance.name}: {message.message_id}"
        audit.record_work(plan.actor, "schedule lost", target, account=instance.account, detail=FORGOTTEN)
    if plans:
        LostSchedule.objects.filter(at__lt=timezone.now() - 10 * SHOWN).delete()
    return len(plans)
