"""One instance's connection through its life: linking, connected, down, up again.

Runs on the broker's event loop. The client's own threads hand their events
over; whatever blocks (the library, the database) runs on threads of the pool.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import DataError
from django.utils import timezone

from chats import harmless
from chats.models import Message
from instances.leases import Lease
from instances.models import Instance
from instances.states import HELD, LINKED, State
from instances.whatsapp import commands, database, keys
from instances.whatsapp import events as ev
from instances.whatsapp.adapter import Client
from instances.whatsapp.asking import Asking
from instances.whatsapp.attending import Attending
from instances.whatsapp.changes import Changes
from instances.whatsapp.commands import Change, PinOrder, TextOrder, error_reply
from instances.whatsapp.custody import Custody
from instances.whatsapp.downloads import Downloads
from instances.whatsapp.errors import NotConnected, WhatsAppError
from instances.whatsapp.groups import Groups
from instances.whatsapp.history import History
from instances.whatsapp.line import Line
from instances.whatsapp.outage import Outage
from instances.whatsapp.recording import Recording
from instances.whatsapp.sending import Sending, send_pin, send_text
from instances.whatsapp.threads import Threads
from instances.whatsapp.ticks import Ticks
from instances.whatsapp.writer import Writer
from portal import metrics, tracing
from portal.broker import broker
from portal.pool import Pool

log = logging.getLogger(__name__)

# How long orders under way may take when the session ends.
REST_SECONDS = 5.0
# The library reconnects by itself, but waits two seconds longer each time
# without a limit. When it has been down for this long, a new client tries.
RESTART_SECONDS = 60.0
OUTDATED_RETRY_SECONDS = 3600.0
# When an edit is tried again whose message's secret was not there, each counted from the one before.
OPEN_AGAIN_SECONDS = (10.0, 60.0, 600.0)
# So many are tried at once: of one in a group, all instances in it hear, and the pool's threads send pins.
_OPENING = Pool(4, "opening")
# A former owner that wakes up may put us off the air, and leaves it again at once. Whoever does so a second time
# within this time means it.
RETURN_SECONDS = 5.0
MEANT_SECONDS = 600.0


class Session:
    """What a connector does for one instance that it holds."""

    def __init__(
        self,
        instance: Instance,
        lease: Lease,
        pool: Executor,
        writer: Writer,
        history: History,
        ticks: Ticks,
        outage: Outage,
    ) -> None:
        self.instance = instance
        self._lease = lease
        self._writer = writer
        self._ticks = ticks
        self._history = history
        self._threads = Threads(pool)
        self._record = Recording(instance, self._holds, self._threads)
        self._line = Line(instance, self._holds, self._threads, self._record, outage, self._custody, self._keep)
        self._sending = Sending(self._threads)
        self._attending = Attending(instance, pool)
        self._downloads = Downloads(instance, self._threads)
        self._changes = Changes(instance, self._holds, self._threads, self._record, self._line, self._attending)
        self._asking = Asking(instance, self._ask_soon, writer.put)
        self._groups = Groups(instance, self._on_the_air, writer.put)
        self._replaced_at = -MEANT_SECONDS
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending: list[Callable[[], Any]] = []
        self._loop = asyncio.get_running_loop()

    def _holds(self) -> bool:
        return self._lease.holds(self.instance.pk, self.instance.epoch)

    # --- Life -------------------------------------------------------------

    async def begin(self) -> None:
        """Listen for commands, and connect if a phone is linked and neither a person nor WhatsApp said otherwise."""
        end = await broker().subscribe(commands.command_subject(self.instance.uid, "*"), self._command)
        if self._line.closing:
            # `end` came first, and found nothing to end: it would hear our successor's commands for ever.
            await end()
            return
        self._ending.append(end)
        self._spawn(self._consume())
        self._history.resume(self.instance)
        if self.instance.linked and self.instance.wanted and self.instance.state in LINKED | {State.UNPLACED}:
            await self._take_up()
        elif self.instance.linked and not self.instance.wanted and self.instance.state in HELD | {State.UNPLACED}:
            # Whoever was told to disconnect it was not there any more to say so.
            await self._record.state(State.PAUSED)
        elif self.instance.state in (State.LINKING, State.UNPLACED):
            await self._record.state(State.UNLINKED)

    async def _take_up(self) -> None:
        """Connect, if whoever held the instance before would by now."""
        if self.instance.state == State.REPLACED:
            return  # It waits for a person: two programs that replace each other would never end.
        until = self.instance.banned_until if self.instance.state == State.BANNED else None
        self._line.start_in(max(0.0, (until - timezone.now()).total_seconds() + 1) if until else 0)
        await self.tick()

    async def end(self) -> None:
        """Stop listening and close the connection; the keys and the state stay."""
        # What is under way may still be acknowledged, and its callers look whether we are there.
        self._line.closing = True
        if self._returns:
            # Whoever has it next knows only what stands in the row, and would leave it to a person.
            await self._record.state(State.DISCONNECTED)
        await self._sending.rest(REST_SECONDS)
        for end in self._ending:
            await end()
        self._ending.clear()
        await self._line.close()
        for task in list(self._tasks):
            task.cancel()

    async def leave(self) -> None:
        """Off the air at once; `stand_down` must follow."""
        await self._line.leave()

    async def stand_down(self) -> None:
        """Another connector may hold the instance soon: off the air, until the lease is good again."""
        if self._line.client is not None:
            log.warning("instance %s goes off the air: its lease is running out", self.instance.uid)
            await self._line.stop(then=partial(self._line.start_in, 0))

    @property
    def idle(self) -> bool:
        """Whether nothing is going on that a change of owner would disturb."""
        linking = self.instance.state == State.LINKING
        return not self._sending.busy and not self._line.turn.locked() and not linking and not self._returns

    @property
    def _returns(self) -> bool:
        """Whether somebody put it off the air, and it is about to be back."""
        return self.instance.state == State.REPLACED and self._line.waits

    @property
    def due(self) -> bool:
        """Whether `tick` has anything to do; asked of each of hundreds once a second."""
        attending = self.instance.state == State.CONNECTED and self._attending.due
        return self._line.due or self._record.waits or attending

    async def tick(self) -> None:
        """Once a second: start what is due."""
        if not self._holds():
            return
        await self._record.write()
        await self._line.start_if_due()
        if self._line.client is not None and self.instance.state == State.CONNECTED:
            self._attending.tick(self._line.client)

    # --- Commands ---------------------------------------------------------

    async def _command(self, subject: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        verb = subject.rsplit(".", 1)[-1]
        # Whoever has the instance by now hears the command as well: it answers, we do not.
        if not self._holds() or payload.get("epoch", 0) > self.instance.epoch:
            return None
        if verb == commands.ALIVE:
            return {"epoch": self.instance.epoch}
        try:
            if self._line.closing:
                raise NotConnected
            with tracing.about(instance=str(self.instance.uid)):
                return await self._carry_out(verb, payload)
        except WhatsAppError as error:
            return error_reply(error)

    async def _carry_out(self, verb: str, payload: dict[str, Any]) -> dict[str, Any]:
        # Returns when it is stored: what the database does not take is on the disk meanwhile.
        store = partial(self._writer.write_now, self.instance)
        match verb:
            case commands.PIN:
                pin = PinOrder(**payload)
                with tracing.about(pin=pin.attempt):
                    return await self._sending.carry_out(pin, self._ready_for(pin.epoch), partial(send_pin, pin, store))
            case commands.TEXT:
                text = TextOrder(**payload)
                return await self._sending.carry_out(text, self._ready_for(text.epoch), partial(send_text, text, store))
            case commands.MEDIA:
                return await self._downloads.fetch(payload["message"], self._on_the_air())
            case commands.MEDIA_PIECE:
                return await self._downloads.piece(**payload)
        return await self._changes.carry_out(verb, Change(**payload))

    def _ready_for(self, epoch: int) -> Client | None:
        """The client, if it can send now, for callers who mean our lease and not an earlier one."""
        return self._on_the_air() if epoch == self.instance.epoch else None

    def _on_the_air(self) -> Client | None:
        return self._line.client if self.instance.state == State.CONNECTED else None

    # --- What the client says ---------------------------------------------

    def _keep(self, event: ev.Event) -> bool:
        """On a thread of a client's: store what is to be stored. False: it is news of the connection."""
        match event:
            case ev.Receipt():
                self._ticks.put(self.instance, event)
            case ev.HistoryArrived(payload):
                self._history.keep(self.instance, payload)
            case _ if not isinstance(event, ev.Stored):
                return False
            case _ if self.instance.ignore_groups and ev.of_a_group(event):
                pass
            case _:
                self._writer.put(self.instance, event)
                if isinstance(event, ev.MessageArrived):
                    self._attending.arrived(event)
        return True

    async def _consume(self) -> None:
        async for event in self._line.heard():
            try:
                with tracing.about(instance=str(self.instance.uid)):
                    await self._on(event)
            except Exception:
                log.exception("an event was not dealt with: %s", type(event).__name__)

    async def _on(self, event: ev.Event) -> None:
        match event:
            case ev.QrCode(text):
                self._line.code = text
                await self._record.state(State.LINKING)
                # Whoever holds the code can link: it is asked for, never told around.
                await self._record.news("qr", {})
            case ev.QrEnded(reason):
                self._line.code = ""
                if reason and await self._line.stop():
                    await self._record.state(State.UNLINKED, reason)
            case ev.Connected():
                await self._on_connected(event)
            case ev.StaysShut(message_id):
                self._spawn(self._open_later(message_id))
            case ev.CallOffered():
                if self.instance.reject_calls and self._line.client is not None:
                    await self._threads.run(self._line.client.reject_call, event)
                    log.info("instance %s: a call was rejected", self.instance.uid)
            case ev.Disconnected():
                await self._on_disconnected()
            case ev.ConnectFailed(reason) | ev.Stopped(reason):
                await self._line.failed(reason)
            case _:
                await self._on_refused(event)

    async def _open_later(self, message_id: str) -> None:
        *_, last = OPEN_AGAIN_SECONDS
        for seconds in OPEN_AGAIN_SECONDS:
            await asyncio.sleep(seconds)
            again = partial(self._line.shut.again, message_id, last=seconds == last)
            opened = await self._loop.run_in_executor(_OPENING, again)
            if opened is not None:
                await self._threads.run(self._keep, opened)
                return

    async def _on_refused(self, event: ev.Event) -> None:
        """WhatsApp wants no connection of ours, and the library does not try again."""
        unchanged = await self._line.stop()
        match event:
            case ev.LoggedOut(reason, banned):
                try:
                    await self._changes.forget_keys()
                except Exception:
                    self._changes.unlinked()
                    # WhatsApp says the same to whoever tries with them.
                    log.exception("instance %s: its keys could not be deleted", self.instance.uid)
                await self._record.state(State.BANNED if banned else State.LOGGED_OUT, reason)
            case _ if not unchanged:
                pass  # A person has it otherwise by now.
            case ev.Replaced():
                now = time.monotonic()
                if self._lease.met_others and now - self._replaced_at > MEANT_SECONDS:
                    self._line.start_in(RETURN_SECONDS)
                self._replaced_at = now
                await self._record.state(State.REPLACED)
            case ev.Banned(reason, seconds):
                self._line.start_in(seconds + 1)
                until = timezone.now() + timedelta(seconds=seconds)
                await self._record.learn(banned_until=until)
                if self._line.waits:  # Else a person has it otherwise by now.
                    await self._record.state(State.BANNED, f"{reason}; until {until:%Y-%m-%d %H:%M} UTC")
            case ev.Outdated():
                self._line.start_in(OUTDATED_RETRY_SECONDS)
                await self._record.state(State.OUTDATED)

    async def _on_disconnected(self) -> None:
        client = self._line.client
        # Before anything that waits for the database: who says otherwise meanwhile says so later.
        await self._record.state(State.DISCONNECTED)
        await self._record.learn(last_seen_at=timezone.now())
        if self._line.client is client:
            self._line.start_in(RESTART_SECONDS)

    async def _on_connected(self, event: ev.Connected) -> None:
        self._line.connected()
        client = self._line.client
        now, first = timezone.now(), not self.instance.linked
        await self._record.learn(
            jid=event.jid,
            lid=event.lid,
            push_name=event.push_name[:200],
            key_store=self._lease.store,
            linked_at=self.instance.linked_at or now,
            last_seen_at=now,
            banned_until=None,
        )
        if first:
            # What came before it was known whose it is waits for that.
            self._history.resume(self.instance)
        if self._line.client is not client:
            return  # A person has it otherwise by now.
        self._attending.connected()
        await self._record.state(State.CONNECTED)
        self._spawn(self._groups.connected())

    # --- Messages that must be asked for -----------------------------------

    def _custody(self) -> Custody:
        return Custody(self._is_stored, self._asking.lost)

    def _is_stored(self, message_id: str) -> bool:
        # As it is stored (`chats.intake`): its sender chose it.
        rows = Message.objects.filter(instance=self.instance, message_id=harmless.message_id(message_id))
        try:
            return database.call(rows.exclude(kind=Message.Kind.UNREADABLE).exists)
        except (DataError, ValueError):
            return False  # No row can have such an id, and asked again the database would say the same.

    def _ask_soon(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._spawn(self._ask_again()))

    async def _ask_again(self) -> None:
        """Let the library find that it cannot decrypt what comes again: then it asks the senders by itself."""
        await asyncio.sleep(self._asking.pause)
        async with self._line.turn:
            lost = self._asking.take()
            log.warning("instance %s: %d messages were cut off by a kill; their senders are asked to send them again",
                        self.instance.uid, len(lost))  # fmt: skip
            metrics.ASKED_AGAIN.inc(len(lost))
            if self._line.client is None:
                self._asking.not_asked(lost)
                return  # They come again with the next one.
            try:
                await self._line.stop()
                await self._threads.run(self._forget_ratchets, lost)
            except Exception:
                log.exception("instance %s: its senders could not be asked; it is tried again", self.instance.uid)
                self._asking.not_asked(lost)
            await self._line.start()

    def _forget_ratchets(self, lost: list[ev.Lost]) -> None:
        if self._holds():
            keys.forget_ratchets(self.instance.uid, lost)

    async def learn_group(self, jid: str) -> None:
        """Ask WhatsApp what a group is called and who may do what in it."""
        await self._groups.unknown(jid)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("instance %s: a fault of ours", self.instance.uid, exc_info=error)
