"""A loopback WhatsApp server for tests, and actors (real neonize clients) to talk to."""

from .account import Account
from .actor_handle import Actor, ActorError
from .pairing import PairingRefused
from .server import LoopbackServer

__all__ = ["Account", "Actor", "ActorError", "LoopbackServer", "PairingRefused"]
