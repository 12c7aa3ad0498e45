"""Chats as callers of the API name them: a phone number as people write it, or a JID."""

import re

from django.db.models import Q

from chats.models import Chat
from instances.models import Instance

SERVERS = ("s.whatsapp.net", "lid", "g.us", "newsletter", "broadcast")
_JID = re.compile(rf"[0-9A-Za-z.:_-]{{1,40}}@(?:{'|'.join(map(re.escape, SERVERS))})")
_PHONE = re.compile(r"[1-9][0-9]{4,14}")


class InvalidNumber(Exception):
    """Neither a phone number nor a JID."""

    def __init__(self) -> None:
        super().__init__(
            "number must be a phone number with its country code, for example 5511999999999, or a JID, "
            "for example 5511999999999@s.whatsapp.net or 120363406289005073@g.us"
        )


def jid_of(number: str) -> str:
    """The JID of a phone number, or the JID as it was given. Raises InvalidNumber."""
    number = number.strip()
    if "@" in number:
        # Other libraries' name for the same.
        jid = re.sub(r"@c\.us\Z", "@s.whatsapp.net", number)
        if not _JID.fullmatch(jid):
            raise InvalidNumber
        return jid
    digits = re.sub(r"[+().\s-]", "", number)
    if not _PHONE.fullmatch(digits):
        raise InvalidNumber
    return f"{digits}@s.whatsapp.net"


def is_jid(text: str) -> bool:
    """Whether WhatsApp names somebody so. Who signs in with an e-mail address has an @ in their name too."""
    return text.rpartition("@")[2] in SERVERS and "@" in text


def find_chat(instance: Instance, jid: str) -> Chat | None:
    """The instance's chat of this name, phone number or LID."""
    return Chat.objects.filter(Q(jid=jid) | Q(lid=jid), instance=instance).order_by("pk").first()
