"""The commands that change an instance's connection, one after the other."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import transaction

from instances import preferences
from instances.models import Instance
from instances.states import State
from instances.whatsapp import commands, keys
from instances.whatsapp.attending import Attending
from instances.whatsapp.commands import Change
from instances.whatsapp.errors import LinkingFailed, NotConnected
from instances.whatsapp.line import Line
from instances.whatsapp.recording import Recording
from instances.whatsapp.threads import Threads

log = logging.getLogger(__name__)

QR_SECONDS = 15.0
# What an instance is without a phone. The next one begins to tell of its own past.
GONE: dict[str, Any] = {
    "jid": "",
    "lid": "",
    "linked_at": None,
    "key_store": "",
    "history_percent": None,
    "history_at": None,
}


class Changes:
    """One instance's, on the connector's loop."""

    def __init__(
        self,
        instance: Instance,
        holds: Callable[[], bool],
        threads: Threads,
        record: Recording,
        line: Line,
        attending: Attending,
    ) -> None:
        self._instance = instance
        self._holds = holds
        self._threads = threads
        self._record = record
        self._line = line
        self._attending = attending

    async def carry_out(self, verb: str, change: Change) -> dict[str, Any]:
        """Do it when it is its turn, unless its caller has given up by then. Raises WhatsAppError."""
        async with self._line.turn:
            if not change.in_time or self._line.closing or not self._holds():
                raise NotConnected  # Its caller has heard as much.
            match verb:
                case commands.CONNECT:
                    return await self._connect()
                case commands.PAIRING_CODE:
                    return await self._pairing_code(change.phone)
                case commands.DISCONNECT:
                    return await self._disconnect()
                case commands.LOGOUT:
                    return await self._logout()
                case commands.PREFERENCES:
                    return await self._apply_preferences()
            raise ValueError(f"unknown command {verb}")

    async def _connect(self) -> dict[str, Any]:
        instance, line = self._instance, self._line
        await self._record.save(wanted=True)
        if line.client is None:
            line.begin_anew()
            await line.start()
        if not instance.linked:
            await self._record.until(lambda: bool(line.code) or instance.linked, QR_SECONDS)
            if not line.code and not instance.linked:
                raise LinkingFailed(self._why_no_code())
        return {"qr": line.code, "linked": instance.linked, "state": instance.state, "sentence": instance.sentence}

    async def _pairing_code(self, phone: str) -> dict[str, Any]:
        if self._instance.linked:
            raise LinkingFailed("A phone is linked already. Log out first to link another one.")
        await self._connect()
        client = self._line.client
        if client is None:
            raise LinkingFailed(self._why_no_code())
        return {"code": await self._threads.run(client.pairing_code, phone)}

    def _why_no_code(self) -> str:
        if reason := self._instance.state_detail:
            return f"WhatsApp gave no code ({reason}). Check this machine's internet connection and try again."
        return "WhatsApp gave no code. Check this machine's internet connection and try again."

    async def _apply_preferences(self) -> dict[str, Any]:
        instance = self._instance
        before = instance.proxy_url, instance.proxy_password
        await self._threads.ask(instance.refresh_from_db, fields=preferences.FIELDS)
        # Not before: it may have been refused meanwhile, and stopped.
        client = self._line.client
        if (instance.proxy_url, instance.proxy_password) != before and client is not None:
            await self._line.start()
        elif client is not None and instance.state == State.CONNECTED:
            self._attending.tick(client)
        return {}

    async def _disconnect(self) -> dict[str, Any]:
        await self._record.save(wanted=False)
        await self._line.stop()
        await self._record.state(State.PAUSED if self._instance.linked else State.UNLINKED)
        return {}

    async def _logout(self) -> dict[str, Any]:
        client = self._line.client
        told = False
        # WhatsApp will say that we are logged out.
        self._line.listen_no_more()
        if client is not None and self._instance.state == State.CONNECTED:
            try:
                await self._threads.run(client.logout)
                told = True
            except NotConnected:
                log.warning("WhatsApp could not be told of a logout; the keys are deleted all the same")
        await self._line.stop()
        try:
            await self.forget_keys()
        except Exception:
            if told:
                self.unlinked()
            await self._record.state(State.DISCONNECTED, "The keys could not be deleted: log out again.")
            raise
        detail = (
            "" if told else "Remove this device on the phone too, under Linked devices: WhatsApp could not be told."
        )
        await self._record.state(State.UNLINKED, detail)
        return {"told": told}

    async def forget_keys(self) -> None:
        """Unlinked: delete the keys. Raises NotConnected, and they stay, if they may be another connector's by now."""

        def forget() -> None:
            with transaction.atomic():
                # Whoever takes the instance over waits for this row; not for ever, if we stood still with it, or the
                # database's answer was long on its way. The keys lie elsewhere, and know no epoch.
                if self._holds() and self._record.mine().update(**GONE) and self._holds():
                    keys.forget(self._instance.uid)
                else:
                    log.warning("instance %s is no longer ours: its keys stay", self._instance.uid)
                    raise NotConnected

        await self._threads.ask(forget)
        self.unlinked()

    def unlinked(self) -> None:
        """The library has deleted its device: whatever stands in the row, only a new code can link it."""
        self._line.shut.clear()
        for name, value in GONE.items():
            setattr(self._instance, name, value)
