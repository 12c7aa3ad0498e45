"""JIDs: who a stanza is from and for.

A JID names an account (``5511…@s.whatsapp.net`` by phone number, ``100…@lid`` by LID), one device of an account
(``100…:3@lid``), a group (``1203…@g.us``) or the server itself (``s.whatsapp.net``, no user).
Source: whatsmeow types/jid.go.
"""

from __future__ import annotations

from typing import NamedTuple

PN_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"
LEGACY_SERVER = "c.us"


class JID(NamedTuple):
    user: str
    server: str
    device: int = 0

    def __str__(self) -> str:
        if not self.user:
            return self.server
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}"

    @property
    def account(self) -> JID:
        """The same JID without its device."""
        return self if not self.device else JID(self.user, self.server)

    def with_device(self, device: int) -> JID:
        return JID(self.user, self.server, device)

    @property
    def ad_string(self) -> str:
        """The form that participant hashes are made of (``user.0:device@server``)."""
        return f"{self.user}.0:{self.device}@{self.server}"


SERVER = JID("", PN_SERVER)


def parse_jid(text: str) -> JID:
    user, at, server = text.rpartition("@")
    if not at:
        return JID("", text)
    user, _, device = user.partition(":")
    return JID(user, server, int(device or 0))
