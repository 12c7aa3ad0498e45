"""Start a program that cannot outlive its supervisor: `python launch.py PID COMMAND...`.

Run as a script, with the standard library only, so that it costs a few
milliseconds. (A preexec_fn would do the same, but forking Python code from a
process with threads may deadlock.)

Linux: the kernel is asked to kill the program when its parent dies, and the
program takes this script's place. Elsewhere the script stays and watches.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

# From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 0.2


def main(supervisor: int, command: list[str]) -> int:
    """Run `command`; does not return on Linux."""
    if sys.platform != "linux":
        return watch(supervisor, command)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:  # it died before the kernel was asked
        return 1
    os.execvp(command[0], command)


def watch(supervisor: int, command: list[str]) -> int:
    """Run `command`, pass SIGTERM on to it, and kill it once the supervisor is gone."""
    process = subprocess.Popen(command, close_fds=False)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while process.poll() is None:
        if os.getppid() != supervisor:
            process.kill()
        time.sleep(WATCH_SECONDS)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
