"""`manage.py run`: the whole portal with one command."""

import ctypes
import http.client
import os
import signal
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import listening
from portal.backups import drafts, unfinished
from portal.ground import Ground
from portal.supervisor import first_run, folder, nats, plan, welcome
from portal.supervisor.child import say
from portal.supervisor.launch import PR_SET_PDEATHSIG
from portal.supervisor.loop import Loop, Stopped, WillNotStart

NATS_SECONDS = 20.0
WEB_SECONDS = 60.0


class Command(BaseCommand):
    """Prepare the data folder, start every process, keep them up, stop them in order."""

    help = "Starts the whole portal and keeps it up until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until somebody stops it."""
        os.umask(0o077)
        # As we were called, for a start anew.
        environment = dict(os.environ)
        processes = web_processes()
        try:
            folder.prepare(settings.DATA_DIR)
            lock = folder.lock(settings.DATA_DIR / "run.lock")
        except OSError as error:
            raise CommandError(
                f"The data folder {settings.DATA_DIR} cannot be written: {error.strerror}. Make room on its disk, "
                "mount it for writing, give the folder to the user that runs the portal, or choose another (DATA_DIR)."
            ) from None
        except folder.InUse as error:
            raise CommandError(
                f"The portal already runs on this data folder (process {error.holder}). "
                "Stop it first, or choose another folder with DATA_DIR."
            ) from None
        unfinished.refuse()
        drafts.clear(settings.DATA_DIR)
        listener = listening.listen()
        end_with_make()
        # On a place where the disk is missing, a process would begin another portal.
        loop = Loop(lambda: (settings.DATA_DIR / "run.lock").exists())
        loop.listen()
        first_run.prepare_database()
        first_run.collect_static_files()
        first_run.leave_database()
        try:
            self._start(loop, lock, listener, processes)
            ground = Ground(settings.DATA_DIR / "run.lock")
            loop.forever(lambda: ground.replaced and os.access(settings.DATA_DIR, os.W_OK))
            say("run", f"the disk beneath {settings.DATA_DIR} is another one now: everything starts anew")
        except Stopped:
            say("run", "stopping")
        except (WillNotStart, nats.Missing) as error:
            raise CommandError(str(error)) from None
        finally:
            loop.stop()
            nats.forget(settings.DATA_DIR / "nats")
        if not loop.asked_to_stop:
            # Our lock, and whatever else we hold, is the old disk's. The number of our process stays.
            os.execve(sys.executable, sys.orig_argv, environment)

    def _start(self, loop: Loop, lock: int, listener: socket.socket, processes: int) -> None:
        """Start the processes, wait until they answer, and say so."""
        os.environ["DATA_DIR"] = str(settings.DATA_DIR)
        # Not settings.NATS_URL: a killed portal may have left its own address in the data folder.
        if not os.environ.get("NATS_URL"):
            server = nats.configure(settings.DATA_DIR / "nats")
            loop.start(server.spec, keep=(lock,))
            loop.until(server.ready, server.spec.name, NATS_SECONDS)
            os.environ["NATS_URL"] = server.url
        loop.start(plan.worker(), keep=(lock,))
        loop.start(plan.connector(), keep=(lock,))
        for number in range(processes):
            # The socket stays ours: a web process that is restarted finds the
            # connections of the meantime waiting.
            loop.start(plan.web(number, listener.fileno()), keep=(lock, listener.fileno()))
        loop.until(lambda: answers(listener), "web", WEB_SECONDS)
        password = first_run.first_administrator()
        first_run.leave_database()
        self.stdout.write(welcome.text(listening.address(), password))
        self.stdout.flush()


def web_processes() -> int:
    """How many web processes to start. Raises CommandError when that would not count right."""
    text = os.environ.get("WEB_PROCESSES") or "1"
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise CommandError(f"WEB_PROCESSES is {text!r}, and must be a number from 1 up.")
    if int(text) > 1 and not settings.CACHE_URL:
        raise CommandError(
            f"WEB_PROCESSES={text} needs a shared cache: without it each process would count rate limits for itself. "
            "Set CACHE_URL to a Valkey or Redis, or leave WEB_PROCESSES out."
        )
    return int(text)


def answers(listener: socket.socket) -> bool:
    """Whether a web process answers, whatever it says."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def end_with_make() -> None:
    """Stop when the `make` that started us is killed; a person who kills it means us."""
    if "MAKELEVEL" in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
