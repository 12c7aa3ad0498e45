"""What is wrong with a form, for who filled it in; the errors' own texts speak to who writes programs."""

from enum import Enum

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from chats.errors import InvalidDuration, RequestError
from chats.faults import Faulty
from chats.rules import manage
from chats.schedule import wish
from instances.words import in_words

DURATION = _("Choose how long it stays pinned.")
PLAN: dict[Enum, str] = {
    wish.Fault.NO_TIME: _("Choose a day and a time."),
    wish.Fault.NOT_AHEAD: _("Choose a time in the future, and within five years."),
    wish.Fault.ENDS_FIRST: _("The end must be later than the beginning."),
    wish.Fault.MIXED: _("These choices do not go together. Choose again."),
    wish.Fault.ZONE: _("The portal does not know your time zone."),
    wish.Fault.REPEAT: _("Choose how often."),
    wish.Fault.TOO_OFTEN: _("Leave an hour between two pins."),
    wish.Fault.TOO_MANY: _("There are many plans for this message already. Cancel one first."),
    wish.Fault.TOO_MANY_HERE: _("There are very many plans on this instance already. Cancel one first."),
}
RULE: dict[Enum, str] = {
    manage.Fault.NAME: _("Give the rule a name of up to 60 characters."),
    manage.Fault.TRIGGER: _("Choose what sets the rule off."),
    manage.Fault.LONG_WORDS: _("The words may have up to 100 characters."),
    manage.Fault.NO_WORDS: _("Say which words, or who writes."),
    manage.Fault.HASHTAG: _("Write one hashtag."),
    manage.Fault.EMOJI: _("Write one emoji."),
    manage.Fault.NOBODY: _("Say who may pin by a reaction."),
    manage.Fault.UNKNOWN_PEOPLE: _(
        "Write people as phone numbers with the country code, or by the name they have here."
    ),
    manage.Fault.MANY_PEOPLE: _("Name up to 50 people."),
    manage.Fault.AN_HOUR: _("Choose a limit from 1 to 100 an hour."),
    manage.Fault.CHAT: _("Choose one of the chats that are stored here."),
    manage.Fault.TOO_MANY: _("There are many rules here already. Delete one first."),
}


def words(error: RequestError) -> str:
    """The sentence for the page, in the reader's language."""
    match error:
        case Faulty():
            return gettext({**PLAN, **RULE}[error.fault])
        case InvalidDuration():
            return gettext(DURATION)
    return in_words(str(error))
