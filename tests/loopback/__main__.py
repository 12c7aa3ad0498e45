"""Run the loopback WhatsApp alone: ``python -m tests.loopback --phone 5511999990001``.

Prints the environment a client needs, then reads from standard input: a QR text or a pairing code links the client.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from .pairing import PairingRefused
from .server import LoopbackServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--phone", default="5511999990001", help="the number of the account whose phone you hold")
    parser.add_argument("--name", default="Ana")
    parser.add_argument("--workdir", type=Path, help="where certificates go (default: a new temporary folder)")
    options = parser.parse_args()
    workdir = options.workdir or Path(tempfile.mkdtemp(prefix="loopback-"))
    with LoopbackServer(workdir) as server:
        account = server.account(options.name, options.phone)
        for name, value in server.env().items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"# {account!r}: paste a QR text or a pairing code; end with Ctrl-D", flush=True)
        for line in sys.stdin:
            given = line.strip()
            if not given:
                continue
            try:
                number = account.scan(given) if "," in given else account.enter_code(given)
                print(f"# linked as device {number}", flush=True)
            except PairingRefused as error:
                print(f"# refused: {error}", flush=True)


if __name__ == "__main__":
    main()
