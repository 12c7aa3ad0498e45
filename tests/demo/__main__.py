"""`make demo`: the portal with made-up people, for somebody without a spare phone. Ctrl-C ends it and all of it."""

import os
import signal
import socket
import sys
import time

from tests.demo.stage import MESSAGES, Stage

WELCOME = """
The demonstration runs at {url}/   (it took {seconds:.0f} s)

    sign in as     admin, olivia (an operator) or victor (a viewer)
    password       demo

For the API and portal-cli (docs/quickstart.md), in another terminal:

    export PORTAL_URL={url}
    export PORTAL_INSTANCE=shop
    export PORTAL_TOKEN={token}

Search for "gate code", pin a message in the chat of Ana Souza, and see her answer.
Nothing here is real, and nothing is kept: Ctrl-C ends it.
"""


def main() -> None:
    """Run until somebody stops it. An argument: how many messages."""
    # Whoever stops it by a signal, or started it behind a shell that ignores Ctrl-C, leaves nothing behind either.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    port = int(os.environ.get("PORT") or 8000)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            sys.exit(f"Port {port} is taken by another program. Stop it, or choose another port: PORT=8001 make demo.")
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    began = time.monotonic()
    print(f"Starting a loopback WhatsApp, the portal and three contacts; writing {messages:,} messages ...", flush=True)
    with Stage(port, messages) as stage:
        stage.let_them_talk()
        print(WELCOME.format(url=stage.url, token=stage.token, seconds=time.monotonic() - began), flush=True)
        try:
            stage.portal.process.wait()
            print(stage.portal.err[-3000:])
        except KeyboardInterrupt:
            print("Ending ...")


if __name__ == "__main__":
    main()
