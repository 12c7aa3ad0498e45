"""Sending one event to one address."""

import asyncio
import ssl
import time

import httpcore
from django.conf import settings

from instances.events import networks, signing
from instances.events.book import Outcome
from instances.events.models import Delivery

# Of an answer, what the log keeps (bytes); the rest is not even read.
KEPT = 500
# An idle connection is kept for the next event this long (seconds): shorter than most servers keep it.
IDLE_SECONDS = 4.0


class Sender:
    """An HTTP client that follows no redirect, obeys no proxy variable, and goes where `networks` allows."""

    def __init__(self) -> None:
        # How much goes on at once is bounded per address, by whoever calls: a
        # limit of the pool would let a slow address hold up the others.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=None,
            max_keepalive_connections=100,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=networks.Guarded(),
        )

    async def send(self, delivery: Delivery) -> Outcome:
        """One request, answered or not within WEBHOOK_TIMEOUT. Never raises what a receiver can bring about."""
        networks.account.set(delivery.webhook.instance.account_id)
        began = time.monotonic()
        status, error, answer = None, "", ""
        try:
            async with asyncio.timeout(settings.WEBHOOK_TIMEOUT.total_seconds()):
                status, answer = await self._post(delivery)
        except TimeoutError:
            error = f"It did not answer within {settings.WEBHOOK_TIMEOUT.total_seconds():g} seconds."
        except networks.NotAllowed as refusal:
            error = str(refusal)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as trouble:
            error = f"It cannot be reached: {trouble}"
        except Exception as trouble:
            # Whatever a receiver's bytes bring about in the client is an answer
            # that did not come, and no reason for a worker to stop.
            error = f"It did not answer properly: {trouble or type(trouble).__name__}"
        if status is not None and 300 <= status < 400:
            error = "It redirects, which is not followed. Give the address it redirects to."
        return Outcome(status, round((time.monotonic() - began) * 1000), error, answer)

    async def _post(self, delivery: Delivery) -> tuple[int, str]:
        body = delivery.event.body.encode()
        headers = signing.headers(delivery.webhook, str(delivery.event.uid), int(time.time()), body)
        headers |= {"Content-Type": "application/json", "User-Agent": "WhatsApp-Portal"}
        begin = b""
        async with self._pool.stream(
            "POST", delivery.webhook.url, headers=list(headers.items()), content=body
        ) as response:
            async for chunk in response.aiter_stream():
                begin += chunk
                if len(begin) >= KEPT:
                    break
        return response.status, begin[:KEPT].decode(errors="replace").replace("\x00", "\ufffd")

    async def close(self) -> None:
        """Close idle connections."""
        await self._pool.aclose()
