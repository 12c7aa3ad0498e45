"""Sentences that are said in English where they arise, and that pages show in the reader's language.

Most are of `instances.whatsapp.errors` and travel over NATS: they are looked up
when shown, and listed here for makemessages alone. `tests/test_words_of_python.py`
knows where they arise. What WhatsApp or the library says itself stays as it is.
"""

import re

from django.utils.translation import gettext, gettext_noop

from instances.states import SENTENCES, State
from instances.whatsapp.errors import NotConnected, WhatsAppError

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
    gettext_noop("Number is not on WhatsApp"),
    gettext_noop("WhatsApp gave no code. Check this machine's internet connection and try again."),
    gettext_noop("The phone number is too short. Write it in international form, for example +5511999999999."),
    gettext_noop("Write the phone number in international form: country code first, no leading 0."),
    gettext_noop("There is no connection to WhatsApp at the moment. Try again."),
    gettext_noop("The code ran out."),
    gettext_noop(
        "WhatsApp asks for this account's passkey before it links a device, and the library beneath the portal "
        "(neonize 0.5.2) cannot pass it on yet: the account cannot be linked for now. Others can."
    ),
    gettext_noop("The phone's WhatsApp is too old to link devices. Update it and try again."),
    gettext_noop("WhatsApp no longer accepts this version of the portal. Upgrade the portal and try again."),
    gettext_noop("WhatsApp answered something else than was expected. Try again."),
    gettext_noop(
        "WhatsApp refused this device. Try again; if it lasts, look on the phone how many devices are linked."
    ),
    gettext_noop("WhatsApp has locked this account"),
    gettext_noop("WhatsApp has banned this number"),
    gettext_noop(
        "error 463, this number may not write to people it has no recent conversation with, for a while. "
        "Who writes to it can be answered"
    ),
    gettext_noop("The keys could not be deleted: log out again."),
    gettext_noop("Remove this device on the phone too, under Linked devices: WhatsApp could not be told."),
    gettext_noop("its client could not be started"),
    gettext_noop("the client library ended"),
    gettext_noop("The proxy must look like http://user:password@host:8080, with http, https or socks5 in front."),
    gettext_noop("The proxy's port is missing: it must look like http://user:password@host:8080."),
    gettext_noop("There is a password for the proxy, and no user."),
    gettext_noop("The proxy's password has more than 200 characters."),
    gettext_noop("Many proxies are being looked up at the moment: try again in a minute."),
)
# With something of the moment in them.
FILLED = (
    gettext_noop("message with ID %(id)s not found"),
    gettext_noop("message with ID %(id)s exists in more than one chat: send chatJid"),
    gettext_noop("message with ID %(id)s was deleted for everyone: it cannot be pinned"),
    gettext_noop("message with ID %(id)s has disappeared from the phones: it cannot be pinned"),
    gettext_noop("message with ID %(id)s stands in a status, a channel or a broadcast list: it cannot be pinned"),
    gettext_noop('invalid duration "%(value)s": use "24h", "7d" or "30d"'),
    gettext_noop("WhatsApp refused the message: %(reason)s"),
    gettext_noop("WhatsApp gave no code (%(reason)s). Check this machine's internet connection and try again."),
    gettext_noop("WhatsApp gave no pairing code: %(reason)s"),
    gettext_noop("The proxy's host %(host)s cannot be found."),
    gettext_noop("The proxy's host %(host)s is in a private network: the portal's host may allow that."),
    gettext_noop("%(reason)s; until %(time)s UTC"),
    gettext_noop("%(number)s connections for news are open already, as many as one may have: close some of them"),
)
_PATTERNS = [(re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.*)", re.escape(one)), re.DOTALL), one) for one in FILLED]


def in_words(sentence: str) -> str:
    """A sentence of the product in the reader's language; one that is none of its own, as it is."""
    for pattern, one in _PATTERNS:
        if found := pattern.fullmatch(sentence):
            # A reason may be a sentence of ours as well.
            return gettext(one) % {
                name: in_words(said) if name == "reason" else said for name, said in found.groupdict().items()
            }
    return gettext(sentence) if sentence else ""


def why_unchanged(error: WhatsAppError) -> str:
    """Why an instance could not be connected or taken off the air. Where nobody was there to do it, what to start."""
    return in_words(SENTENCES[State.UNPLACED] if isinstance(error, NotConnected) else str(error))
