"""Sentences of `instances.whatsapp.errors` and `session` that pages show in the reader's language.

They travel over NATS in English and are looked up when shown, so they are
listed here for makemessages alone.
"""

from django.utils.translation import gettext_noop

SHOWN = (
    gettext_noop("WhatsApp client is not connected"),
    gettext_noop("WhatsApp did not confirm in time"),
    gettext_noop("WhatsApp did not answer. Try again."),
    gettext_noop("A phone is linked already. Log out first to link another one."),
)
