"""One instance's connection through its life: linking, connected, down, up again.

Runs on the broker's event loop. The client's own threads hand their events
over; whatever blocks (the library, the database) runs on threads of the pool.
"""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import transaction
from django.utils import timezone

from chats.models import Message
from instances import preferences, proxies
from instances.leases import Lease
from instances.models import Instance
from instances.states import LINKED, State
from instances.whatsapp import commands, database, keys
from instances.whatsapp import events as ev
from instances.whatsapp.adapter import Client
from instances.whatsapp.asking import Asking
from instances.whatsapp.attending import Attending
from instances.whatsapp.commands import Change, PinOrder, TextOrder, error_reply
from instances.whatsapp.custody import Custody
from instances.whatsapp.downloads import Downloads
from instances.whatsapp.errors import LinkingFailed, NotConnected, WhatsAppError
from instances.whatsapp.history import History
from instances.whatsapp.outage import Outage
from instances.whatsapp.recording import Recording
from instances.whatsapp.sending import Sending, send_pin, send_text
from instances.whatsapp.ticks import Ticks
from instances.whatsapp.writer import Writer
from portal import metrics, tracing
from portal.broker import broker
from portal.pool import Pool

log = logging.getLogger(__name__)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

QR_SECONDS = 15.0
# How long orders under way may take when the session ends.
REST_SECONDS = 5.0
# The library reconnects by itself, but waits two seconds longer each time
# without a limit. When it has been down for this long, a new client tries.
RESTART_SECONDS = 60.0
# So many clients start at once: threads of their own, because they wait for each other and for the network, and
# the pool's are wanted by those that are connected.
_STARTERS = Pool(16, "starting")
# And so many leave the air at once, however many threads of the pool wait for a database.
_LEAVING = Pool(16, "leaving")
# The library knows its clients by name, all of the process in one table: one that had the name of another, which is
# about to end, would be ended in its place.
_numbers = itertools.count()
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
OUTDATED_RETRY = timedelta(hours=1)
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
        self._outage = outage
        self._leaving = False
        self._pool = pool
        self._writer = writer
        self._ticks = ticks
        self._history = history
        self._client: Client | None = None
        self._generation = 0
        self._events: asyncio.Queue[tuple[int, ev.Event]] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self._record = Recording(instance, self._holds, pool)
        self._sending = Sending(pool)
        self._attending = Attending(instance, pool)
        self._downloads = Downloads(instance, pool)
        self._changing = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._asking = Asking(instance, self._ask_soon, writer.put)
        self._qr = ""
        self._failures = 0
        self._replaced_at = -MEANT_SECONDS
        # When to start a client by ourselves, in monotonic seconds; None: do not.
        self._start_at: float | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending: list[Callable[[], Any]] = []
        self._loop = asyncio.get_running_loop()

    # --- Life -------------------------------------------------------------

    async def begin(self) -> None:
        """Listen for commands, and connect if a phone is linked and nobody said otherwise."""
        end = await broker().subscribe(commands.command_subject(self.instance.uid, "*"), self._command)
        self._ending.append(end)
        self._spawn(self._consume())
        self._history.resume(self.instance)
        if self.instance.linked and self.instance.wanted and self.instance.state in LINKED | {State.UNPLACED}:
            self._start_at = time.monotonic()
            await self.tick()
        elif self.instance.state in (State.LINKING, State.UNPLACED):
            await self._set_state(State.UNLINKED)

    async def end(self) -> None:
        """Stop listening and close the connection; the keys and the state stay."""
        # What is under way may still be acknowledged, and its callers look whether we are there.
        self._leaving = True
        await self._sending.rest(REST_SECONDS)
        for end in self._ending:
            await end()
        self._ending.clear()
        # A client that is being made would be nobody's, and one device with two connections spoils its keys.
        async with self._starting:
            await self._stop_client()
        for task in list(self._tasks):
            task.cancel()

    async def leave(self) -> None:
        """Off the air at once; `stand_down` must follow."""
        if self._client is not None:
            await self._loop.run_in_executor(_LEAVING, self._client.leave)

    async def stand_down(self) -> None:
        """Another connector may hold the instance soon: off the air, until the lease is good again."""
        if self._client is not None:
            log.warning("instance %s goes off the air: its lease is running out", self.instance.uid)
            await self._stop_client()
            self._start_at = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether nothing is going on that a change of owner would disturb."""
        return not self._sending.busy and not self._changing.locked() and self.instance.state != State.LINKING

    @property
    def due(self) -> bool:
        """Whether `tick` has anything to do; asked of each of hundreds once a second."""
        attending = self.instance.state == State.CONNECTED and self._attending.due
        return self._start_is_due or self._record.waits or attending

    @property
    def _start_is_due(self) -> bool:
        return self._start_at is not None and time.monotonic() >= self._start_at

    async def tick(self) -> None:
        """Once a second: start what is due."""
        if not self._holds():
            return
        await self._record.write()
        if self._start_is_due and self._outage.may_try():
            await self._start_what_is_due()
        if self._client is not None and self.instance.state == State.CONNECTED:
            self._attending.tick(self._client)

    async def _start_what_is_due(self) -> None:
        self._start_at = None
        try:
            async with self._changing:
                await self._start_client()
        except Exception:
            log.exception("instance %s could not be started; it is tried again", self.instance.uid)
            self._start_later()

    # --- Commands ---------------------------------------------------------

    async def _command(self, subject: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        verb = subject.rsplit(".", 1)[-1]
        # Whoever has the instance by now hears the command as well: it answers, we do not.
        if not self._holds() or payload.get("epoch", 0) > self.instance.epoch:
            return None
        if verb == commands.ALIVE:
            return {"epoch": self.instance.epoch}
        try:
            if self._leaving:
                raise NotConnected
            with tracing.about(instance=str(self.instance.uid)):
                return await self._carry_out(verb, payload)
        except WhatsAppError as error:
            return error_reply(error)

    async def _carry_out(self, verb: str, payload: dict[str, Any]) -> dict[str, Any]:
        match verb:
            case commands.PIN:
                pin = PinOrder(**payload)
                with tracing.about(pin=pin.attempt):
                    return await self._sending.carry_out(pin, self._ready_for(pin.epoch), partial(send_pin, pin))
            case commands.TEXT:
                text = TextOrder(**payload)
                store = partial(self._writer.write_now, self.instance)
                return await self._sending.carry_out(text, self._ready_for(text.epoch), partial(send_text, text, store))
            case commands.MEDIA:
                client = self._client if self.instance.state == State.CONNECTED else None
                return await self._downloads.fetch(payload["message"], client)
            case commands.MEDIA_PIECE:
                return await self._downloads.piece(**payload)
        return await self._change(verb, Change(**payload))

    async def _change(self, verb: str, change: Change) -> dict[str, Any]:
        """The commands that change the connection, one after the other."""
        async with self._changing:
            if not change.in_time or self._leaving or not self._holds():
                raise NotConnected  # Its caller has heard as much.
            return await self._changed_by(verb, change)

    async def _changed_by(self, verb: str, change: Change) -> dict[str, Any]:
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

    def _holds(self) -> bool:
        return self._lease.holds(self.instance.pk, self.instance.epoch)

    def _ready_for(self, epoch: int) -> Client | None:
        """The client, if it can send now, for callers who mean our lease and not an earlier one."""
        ready = epoch == self.instance.epoch and self.instance.state == State.CONNECTED
        return self._client if ready else None

    async def _connect(self) -> dict[str, Any]:
        await self._record.save(wanted=True)
        if self._client is None:
            self._failures = 0
            self._start_at = None
            await self._start_client()
        if not self.instance.linked:
            await self._wait_for(lambda: bool(self._qr) or self.instance.linked, QR_SECONDS)
            if not self._qr and not self.instance.linked:
                raise LinkingFailed(self._why_no_code())
        return {
            "qr": self._qr,
            "linked": self.instance.linked,
            "state": self.instance.state,
            "sentence": self.instance.sentence,
        }

    async def _pairing_code(self, phone: str) -> dict[str, Any]:
        if self.instance.linked:
            raise LinkingFailed("A phone is linked already. Log out first to link another one.")
        await self._connect()
        client = self._client
        if client is None:
            raise LinkingFailed(self._why_no_code())
        return {"code": await self._thread(client.pairing_code, phone)}

    def _why_no_code(self) -> str:
        reason = f" ({self.instance.state_detail})" if self.instance.state_detail else ""
        return f"WhatsApp gave no code{reason}. Check this machine's internet connection and try again."

    async def _apply_preferences(self) -> dict[str, Any]:
        before = self.instance.proxy_url, self.instance.proxy_password
        await self._database(self.instance.refresh_from_db, fields=preferences.FIELDS)
        if (self.instance.proxy_url, self.instance.proxy_password) != before and self._client is not None:
            await self._start_client()
        elif self._client is not None and self.instance.state == State.CONNECTED:
            self._attending.tick(self._client)
        return {}

    async def _disconnect(self) -> dict[str, Any]:
        await self._record.save(wanted=False)
        await self._stop_client()
        await self._set_state(State.PAUSED if self.instance.linked else State.UNLINKED)
        return {}

    async def _logout(self) -> dict[str, Any]:
        client = self._client
        told = False
        # WhatsApp will say that we are logged out: no news to us.
        self._generation += 1
        if client is not None and self.instance.state == State.CONNECTED:
            try:
                await self._thread(client.logout)
                told = True
            except NotConnected:
                log.warning("WhatsApp could not be told of a logout; the keys are deleted all the same")
        await self._stop_client()
        try:
            await self._forget_keys()
        except Exception:
            await self._set_state(State.DISCONNECTED, "The keys could not be deleted: log out again.")
            raise
        detail = (
            "" if told else "Remove this device on the phone too, under Linked devices: WhatsApp could not be told."
        )
        await self._set_state(State.UNLINKED, detail)
        return {"told": told}

    # --- The client -------------------------------------------------------

    async def _start_client(self) -> None:
        await self._stop_client()
        self._generation += 1
        generation = self._generation
        await self._set_state(State.CONNECTING if self.instance.linked else State.LINKING)

        # Its first events must not be dealt with before the client is known.
        try:
            async with self._starting:
                make = tracing.carried(partial(self._make_client, generation))
                self._client = await self._loop.run_in_executor(_STARTERS, make)
                if self._client is None and generation == self._generation:
                    self._start_at = time.monotonic()
        except proxies.InvalidProxy as error:
            await self._fail(str(error))

    def _make_client(self, generation: int) -> Client | None:
        """On a thread. None: while it waited for one, somebody else took the instance over, or the session ends."""
        if self._leaving or generation != self._generation or not self._holds():
            return None
        uid, proxy = self.instance.uid, proxies.address_of(self.instance)
        custody = Custody(self._is_stored, self._asking.lost)
        listen = partial(self._hear, generation)
        client = Client(keys.prepare(uid), f"{uid.hex}-{next(_numbers)}", listen, self._holds, proxy, custody)
        client.start()
        return client

    def _hear(self, generation: int, event: ev.Event) -> None:
        """On a thread of a client's."""
        if isinstance(event, ev.Stored):
            if self.instance.ignore_groups and ev.of_a_group(event):
                return
            self._writer.put(self.instance, event)
            if isinstance(event, ev.MessageArrived):
                self._attending.arrived(event)
        elif isinstance(event, ev.Receipt):
            self._ticks.put(self.instance, event)
        elif isinstance(event, ev.HistoryArrived):
            self._history.keep(self.instance, event.payload)
        else:
            self._loop.call_soon_threadsafe(self._events.put_nowait, (generation, event))

    async def _stop_client(self) -> None:
        client, self._client = self._client, None
        self._qr = ""
        self._generation += 1
        if client is not None:
            await self._thread(client.stop)

    async def _forget_keys(self) -> None:
        """Unlinked: delete the keys, unless another connector holds the instance by now and may have new ones."""
        gone: dict[str, Any] = {"jid": "", "lid": "", "linked_at": None, "key_store": ""}
        # The next phone begins to tell of its own past.
        gone |= {"history_percent": None, "history_at": None}

        def forget() -> None:
            with transaction.atomic():
                # Whoever takes the instance over waits for this row.
                if self._holds() and self._record.mine().update(**gone):
                    keys.forget(self.instance.uid)
                else:
                    log.warning("instance %s is no longer ours: its keys stay", self.instance.uid)

        await self._database(forget)
        for name, value in gone.items():
            setattr(self.instance, name, value)

    # --- What the client says ---------------------------------------------

    async def _consume(self) -> None:
        while True:
            generation, event = await self._events.get()
            async with self._starting:
                pass
            if generation != self._generation:
                continue
            try:
                with tracing.about(instance=str(self.instance.uid)):
                    await self._on(event)
            except Exception:
                log.exception("an event was not dealt with: %s", type(event).__name__)

    async def _on(self, event: ev.Event) -> None:
        match event:
            case ev.QrCode(text):
                self._qr = text
                await self._set_state(State.LINKING)
                # Whoever holds the code can link: it is asked for, never told around.
                await self._record.news("qr", {})
            case ev.QrEnded(outcome):
                self._qr = ""
                if outcome != "success":
                    await self._stop_client()
                    await self._set_state(State.UNLINKED, "The code ran out." if outcome == "timeout" else outcome)
            case ev.Connected():
                await self._on_connected(event)
            case ev.CallOffered():
                if self.instance.reject_calls and self._client is not None:
                    await self._thread(self._client.reject_call, event)
                    log.info("instance %s: a call was rejected", self.instance.uid)
            case ev.Disconnected():
                await self._record.learn(last_seen_at=timezone.now())
                await self._set_state(State.DISCONNECTED)
                self._start_at = time.monotonic() + RESTART_SECONDS
            case ev.ConnectFailed(reason) | ev.Stopped(reason):
                await self._fail(reason)
            case _:
                await self._on_refused(event)

    async def _on_refused(self, event: ev.Event) -> None:
        """WhatsApp wants no connection of ours, and the library does not try again."""
        await self._stop_client()
        match event:
            case ev.LoggedOut(reason, banned):
                try:
                    await self._forget_keys()
                except Exception:
                    # WhatsApp says the same to whoever tries with them.
                    log.exception("instance %s: its keys could not be deleted", self.instance.uid)
                await self._set_state(State.BANNED if banned else State.LOGGED_OUT, reason)
            case ev.Replaced():
                await self._set_state(State.REPLACED)
                now = time.monotonic()
                if self._lease.met_others and now - self._replaced_at > MEANT_SECONDS:
                    self._start_at = now + RETURN_SECONDS
                self._replaced_at = now
            case ev.Banned(reason, seconds):
                until = timezone.now() + timedelta(seconds=seconds)
                await self._record.learn(banned_until=until)
                await self._set_state(State.BANNED, f"{reason}; until {until:%Y-%m-%d %H:%M} UTC")
                self._start_at = time.monotonic() + seconds + 1
            case ev.Outdated():
                await self._set_state(State.OUTDATED)
                self._start_at = time.monotonic() + OUTDATED_RETRY.total_seconds()

    async def _on_connected(self, event: ev.Connected) -> None:
        self._qr = ""
        self._failures = 0
        self._outage.over()
        self._start_at = None
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
        self._attending.connected()
        await self._set_state(State.CONNECTED)

    async def _fail(self, reason: str) -> None:
        """The client gave up: start another one, each time a little later."""
        reason = proxies.without_password(self.instance, reason)
        await self._stop_client()
        if not self.instance.linked:
            await self._set_state(State.UNLINKED, reason)
            return
        self._start_later()
        await self._set_state(State.DISCONNECTED, reason)

    def _start_later(self) -> None:
        wait = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
        self._failures += 1
        self._outage.failed()
        # A little apart from each other, so that a thousand instances do not
        # all knock at the same moment.
        self._start_at = time.monotonic() + wait * random.uniform(0.8, 1.2)  # noqa: S311  # no secret

    # --- Messages that must be asked for -----------------------------------

    def _is_stored(self, message_id: str) -> bool:
        rows = Message.objects.filter(instance=self.instance, message_id=message_id)
        return database.call(rows.exclude(kind=Message.Kind.UNREADABLE).exists)

    def _ask_soon(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._spawn(self._ask_again()))

    async def _ask_again(self) -> None:
        """Let the library find that it cannot decrypt what comes again: then it asks the senders by itself."""
        await asyncio.sleep(self._asking.pause)
        async with self._changing:
            lost = self._asking.take()
            log.warning("instance %s: %d messages were cut off by a kill; their senders are asked to send them again",
                        self.instance.uid, len(lost))  # fmt: skip
            metrics.ASKED_AGAIN.inc(len(lost))
            if self._client is None:
                self._asking.not_asked(lost)
                return  # They come again with the next one.
            await self._stop_client()
            try:
                await self._thread(self._forget_ratchets, lost)
            except Exception:
                log.exception("instance %s: its senders could not be asked; it is tried again", self.instance.uid)
                self._asking.not_asked(lost)
            await self._start_client()

    def _forget_ratchets(self, lost: list[ev.Lost]) -> None:
        if self._holds():
            keys.forget_ratchets(self.instance.uid, lost)

    async def learn_group(self, jid: str) -> None:
        """Ask WhatsApp what a group is called and who may do what in it."""
        client = self._client
        if client is None:
            return
        change = await self._thread(client.group, jid)
        if change is not None:
            await self._thread(self._writer.put, self.instance, change)

    # --- Helpers ----------------------------------------------------------

    async def _set_state(self, state: State, detail: str = "") -> None:
        """Record the state, if it is one, and tell everybody."""
        await self._record.state(state, detail)
        async with self._changed:
            self._changed.notify_all()

    async def _wait_for(self, ready: Callable[[], bool], seconds: float) -> None:
        async def wait() -> None:
            async with self._changed:
                await self._changed.wait_for(ready)

        with suppress(TimeoutError):
            await asyncio.wait_for(wait(), seconds)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _thread(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        return await self._loop.run_in_executor(self._pool, tracing.carried(lambda: work(*args, **kwargs)))

    async def _database(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        return await self._thread(lambda: database.call(work, *args, **kwargs))
