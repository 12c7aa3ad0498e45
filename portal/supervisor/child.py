"""One process of the portal: its start, its log lines, its end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

LAUNCH = Path(__file__).with_name("launch.py")
LONGEST_LINE = 64 * 1024
NAME_WIDTH = 9


@dataclass(frozen=True)
class Spec:
    """Which program to run, under which name, with what added to our environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def say(name: str, line: str) -> None:
    """Write one log line to stderr, under the name of the process it is about."""
    if os.environ.get("LOG_FORMAT") == "json":
        text = line if line.startswith("{") else json.dumps({"process": name, "message": line}, ensure_ascii=False)
    else:
        text = f"{name:<{NAME_WIDTH}} | {line}"
    # One write a line, so that the lines of two processes never mix. Nobody
    # left to read them is no reason to stop.
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())


class Child:
    """A running process, in a session of its own: a Ctrl-C meant for the supervisor does not reach it."""

    def __init__(self, spec: Spec, keep: Sequence[int] = ()) -> None:
        """Start it. `keep`: file descriptors it inherits."""
        self.spec = spec
        # Must happen on the main thread: the kernel's promise to kill the
        # child is tied to the thread that started it.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), *spec.command],
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PROCESS_NAME": spec.name, **spec.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep,
        )
        lines = cast(IO[bytes], self._process.stdout)
        threading.Thread(target=self._copy, args=(lines,), name=f"log {spec.name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process number, which is that of its process group too."""
        return self._process.pid

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and what it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _copy(self, lines: IO[bytes]) -> None:
        """Log what it writes, until it has ended."""
        with lines:
            while line := lines.readline(LONGEST_LINE):
                say(self.spec.name, line.decode(errors="replace").rstrip("\n"))
