"""Who is behind a phone number or a LID."""

from contextlib import suppress
from typing import Any

from neonize import exc
from neonize.proto import Neonize_pb2 as pb

from instances.whatsapp.adapter import jids, refusals
from instances.whatsapp.adapter.gate import gate
from instances.whatsapp.errors import NotOnWhatsApp
from instances.whatsapp.events import Party


class People:
    """What the library and WhatsApp know of people's names, for one client."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def with_number(self, chat: str) -> pb.JID:
        """The account that has a phone number; it may be spelled otherwise (Brazil's ninth digit).

        Raises NotOnWhatsApp, or why it could not be asked.
        """
        gate.passing()
        try:
            found = self._library.is_on_whatsapp(f"+{chat.partition('@')[0]}")
        except exc.IsOnWhatsAppError as error:
            raise refusals.of_a_message(str(error)) from error
        for one in found:
            if one.IsIn:
                return jids.of(jids.text(one.JID))
        raise NotOnWhatsApp

    def both_names(self, jid: pb.JID) -> Party:
        """A person's LID, by which phones know the chat, and their phone number beside it, where both are known."""
        gate.passing()
        name, other = jids.text(jid), ""
        by_lid = jid.Server == "lid"
        with suppress(exc.GetJIDFromStoreError):
            other = jids.text(self._library.get_pn_from_lid(jid) if by_lid else self._library.get_lid_from_pn(jid))
        return Party(name, other) if by_lid or not other else Party(other, name)
