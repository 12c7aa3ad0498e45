"""Sentences that are said in English where they arise, and that pages show in the reader's language.

Most are of `instances.whatsapp.errors` and travel over NATS: they are looked up
when shown, and listed here for makemessages alone.
"""

import re

from django.utils.translation import gettext, gettext_noop

SHOWN = (
    gettext_noop("WhatsApp client is not connected"),
    gettext_noop("WhatsApp did not confirm in time"),
    gettext_noop("WhatsApp did not answer. Try again."),
    gettext_noop("Only admins may pin messages in this group: ask an admin, or to be made one"),
    gettext_noop("Only admins may write in this group, and so only they may pin: ask an admin, or to be made one"),
    gettext_noop("This account is not in the group any more: ask a member to add it again"),
    gettext_noop("This contact is blocked: unblock them on the phone first"),
    gettext_noop("There is no file behind this message"),
    gettext_noop("This was sent to be seen once: open it on the phone"),
    gettext_noop("This file is larger than the portal fetches: open it on the phone, or raise MEDIA_MAX_MB"),
    gettext_noop(
        "The portal broke down while it fetched this file, which may be larger than its sender said: "
        "open it on the phone, or try again tomorrow"
    ),
    gettext_noop("WhatsApp no longer has this file: ask for it to be sent again, or open it on the phone"),
    gettext_noop(
        "This file arrived damaged: what WhatsApp has is not what the sender sent. Ask for it to be sent again"
    ),
    gettext_noop("WhatsApp's media server could not be reached: try again in a minute"),
    gettext_noop("Too many files are being fetched at the moment: try again in a minute"),
    gettext_noop("Too many exports are running: try again in a few minutes"),
    gettext_noop("Too many connections for news are open: try again in a minute"),
    gettext_noop("A phone is linked already. Log out first to link another one."),
)
# With something of the moment in them.
FILLED = (
    gettext_noop("message with ID %(id)s was deleted for everyone: it cannot be pinned"),
    gettext_noop("message with ID %(id)s has disappeared from the phones: it cannot be pinned"),
    gettext_noop("WhatsApp refused the message: %(reason)s"),
    gettext_noop("%(number)s connections for news are open already, as many as one may have: close some of them"),
)
_PATTERNS = [(re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.*)", re.escape(one)), re.DOTALL), one) for one in FILLED]


def in_words(sentence: str) -> str:
    """A sentence of the product in the reader's language; one that is none of its own, as it is."""
    for pattern, one in _PATTERNS:
        if found := pattern.fullmatch(sentence):
            return gettext(one) % found.groupdict()
    return gettext(sentence) if sentence else ""
