"""Turns at the webhooks, handed to workers by a durable work queue of JetStream.

A message is one webhook's turn, and its stream takes no second one of the same
webhook while the first is not acknowledged: two workers are never at the same
address, and a worker that dies leaves its turn to the next one. What is to be
delivered stands in the database; a message that is lost with a NATS is put
there again by the next look at the database.
"""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import OutboundBufferLimitError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError

from portal.broker import NobodyListens, broker

# A worker that is silent for so long has died: its turns go to others (seconds).
SILENCE = 6.0
CONSUMER = "workers"
# JetStream's own numbers for "this subject has its message already".
TAKEN = (10077, 10164)
# And for "this stream is there, with another configuration".
OTHERWISE = 10058


class NoTurns(Exception):
    """The work queue cannot be reached or used; the text says why."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to deliver to one webhook, until it is ended."""

    webhook: UUID
    _message: Msg

    async def keep(self) -> None:
        """Say that we are still at it; more often than every SILENCE seconds. Raises nats' errors."""
        await self._message.in_progress()

    async def end(self) -> None:
        """Nothing is left to do. Raises nats' errors."""
        await self._message.ack_sync(timeout=5)

    async def hand_back(self) -> None:
        """Leave it to another worker, at once. Raises nats' errors."""
        await self._message.nak()


class Turns:
    """The work queue. Every method raises NoTurns while it cannot be reached."""

    def __init__(self) -> None:
        # Portals that share a NATS have a queue each.
        self._portal = salted_hmac("instances.events.turns", "stream").hexdigest()[:12]
        self._stream: JetStreamContext | None = None
        self._subscription: JetStreamContext.PullSubscription | None = None

    async def offer(self, webhook: UUID) -> None:
        """Queue a webhook's turn, unless it is queued or under way."""
        stream = await self._open()
        try:
            await stream.publish(self._subject(webhook.hex), b"", timeout=5)
        except APIError as error:
            if error.err_code not in TAKEN:
                self.forget()
                raise NoTurns(str(error)) from error
        except NatsError as error:
            self.forget()
            raise NoTurns(_why(error)) from error

    async def take(self, seconds: float) -> Turn | None:
        """The next turn, or None when there was none for so long."""
        await self._open()
        assert self._subscription is not None  # noqa: S101  # _open made it
        try:
            (message,) = await self._subscription.fetch(1, timeout=seconds)
        except NatsTimeout:
            return None
        except NatsError as error:
            self.forget()
            raise NoTurns(_why(error)) from error
        return Turn(UUID(message.subject.rpartition(".")[2]), message)

    def forget(self) -> None:
        """Look anew at what the server has, before the next use."""
        self._stream = self._subscription = None

    async def close(self) -> None:
        """Wait for no more turns: one that was sent to us now would be lost for SILENCE."""
        if self._subscription is not None:
            with suppress(NatsError):
                await self._subscription.unsubscribe()

    def _subject(self, webhook: str) -> str:
        return f"turns.{self._portal}.{webhook}"

    def _config(self) -> StreamConfig:
        return StreamConfig(
            name=f"turns-{self._portal}",
            subjects=[self._subject("*")],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
            max_msgs_per_subject=1,
            num_replicas=settings.NATS_REPLICAS,
        )

    async def _open(self) -> JetStreamContext:
        if self._stream is not None:
            return self._stream
        try:
            client = await broker().client()
            stream = client.jetstream(timeout=5)
            await _make(stream, self._config())
            self._subscription = await stream.pull_subscribe(
                self._subject("*"),
                durable=CONSUMER,
                stream=self._config().name,
                config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=SILENCE, max_ack_pending=100_000),
            )
        except (NobodyListens, NatsError) as error:
            raise NoTurns(_why(error)) from error
        self._stream = stream
        return stream


async def _make(stream: JetStreamContext, config: StreamConfig) -> None:
    """Make the stream; one that is there, and lies on another number of servers, is moved."""
    try:
        await stream.add_stream(config)
    except APIError as error:
        if error.err_code != OTHERWISE:
            raise
        await stream.update_stream(config)


def _why(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, OutboundBufferLimitError):
        return "NATS is away"  # Nothing is kept for it (`portal.broker`).
    if isinstance(error, NatsError) and "no responders" in text.lower():
        return "NATS runs without JetStream: switch it on (`jetstream {}` in its configuration)"
    return text
