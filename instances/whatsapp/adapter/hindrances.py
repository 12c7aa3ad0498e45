"""Why others would not see what we send: WhatsApp's server acknowledges it all the same."""

import logging
from typing import Any

from neonize import exc

from instances.whatsapp.adapter import groups, jids, refusals
from instances.whatsapp.adapter.gate import gate
from instances.whatsapp.adapter.people import People
from instances.whatsapp.errors import Blocked, NotAllowed

log = logging.getLogger(__name__)


class Hindrances:
    """What WhatsApp says of one account's groups and blocked contacts: asked once, and again after every change."""

    def __init__(self, library: Any, people: People) -> None:
        self._library = library
        self._people = people
        # By group: why a pin of ours would not be seen, None when it would.
        self._groups: dict[str, type[NotAllowed] | None] = {}
        # Whom the account has blocked, under either name; None: not asked yet.
        self._blocked: frozenset[str] | None = None
        # How often anything changed: what was asked before a change, and answered after it, is not kept.
        self._changes = 0

    def check_group(self, group: str) -> None:
        """See whether the other members' phones will show a pin of ours.

        Raises NotAllowed, or why it cannot be known.
        """
        hindrance = self._groups.get(group)
        if group not in self._groups:
            changes = self._changes
            gate.passing()
            try:
                info = self._library.get_group_info(jids.of(group))
                me = self._library.get_me()
            except exc.GetGroupInfoError as error:
                raise refusals.of_a_message(str(error)) from error
            hindrance = groups.hindrance(info, {jids.text(me.JID), jids.text(me.LID)})
            if changes == self._changes:
                self._groups[group] = hindrance
        if hindrance is not None:
            raise hindrance

    def check_contact(self, chat: str) -> None:
        """Raise Blocked if the account has blocked this contact."""
        blocked = self._blocked
        if blocked is None:
            changes = self._changes
            gate.passing()
            try:
                listed = self._library.get_blocklist().JIDs
            except exc.GetBlocklistError as error:
                # Nobody is held up by that; but it is no answer, and the next one asks again.
                log.info("the list of blocked contacts could not be had: %s", error)
                return
            blocked = frozenset(map(jids.text, listed))
            if changes == self._changes:
                self._blocked = blocked
        if not blocked:
            return
        names = self._people.both_names(jids.of(chat))
        if blocked & {names.jid, names.alt}:
            raise Blocked

    def group_changed(self, group: str) -> None:
        """Its rules are others now, or its members."""
        self._changes += 1
        self._groups.pop(group, None)

    def blocklist_changed(self) -> None:
        """Somebody was blocked, or is no longer."""
        self._changes += 1
        self._blocked = None
