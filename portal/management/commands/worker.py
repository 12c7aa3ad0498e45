"""`manage.py worker`: what goes on beside requests and connections: delivering events, carrying out schedules."""

import asyncio
import os
import signal
from typing import Any

from django.core.management.base import BaseCommand

from portal import ground, metrics
from portal.backups import unfinished
from portal.broker import broker
from portal.collector import settle


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C; then lets what is under way come to its end."""

    help = "Delivers events to webhooks and carries out schedules. `manage.py run` starts one; several may run."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run on the broker's event loop."""
        unfinished.refuse()
        from chats.schedule import runner
        from chats.schedule.loop import Loop
        from instances.events import book
        from instances.events.worker import Worker
        from instances.whatsapp.unattended import Unattended

        settle()
        ground.end_when_replaced(*ground.database())
        metrics.ask(metrics.WEBHOOK_LAG, book.lag)
        metrics.ask(metrics.SCHEDULE_LAG, runner.lag)
        metrics.serve(metrics.WORKER)

        async def run() -> None:
            worker, schedules = Worker(), Loop()
            looking = asyncio.create_task(Unattended().run())
            signals.extend((schedules.stop, worker.stop))
            await asyncio.gather(schedules.run(), worker.run())
            looking.cancel()

        signals: list[Any] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: [stop() for stop in signals] if signals else os._exit(0))
        broker().run_for_life(run())
        broker().close()
        # A name that is still being looked up on a thread holds nobody up.
        os._exit(0)
