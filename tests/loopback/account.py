"""An account as a test holds it: its owner's phone in hand."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from .appstate import Mutation, read
from .calls import offer
from .curve import KeyPair
from .node import Attrs, Node, node
from .state import AccountState, Device, LoginFailure

if TYPE_CHECKING:
    from .server import LoopbackServer

TEMPORARILY_BANNED, OUTDATED, UNAVAILABLE = 402, 405, 503


class Account:
    def __init__(self, server: LoopbackServer, state: AccountState) -> None:
        self._server = server
        self.state = state

    def __repr__(self) -> str:
        return f"Account({self.name!r}, {self.jid!r})"

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def jid(self) -> str:
        return str(self.state.pn)

    @property
    def phone(self) -> str:
        return self.state.pn.user

    @property
    def lid(self) -> str:
        return str(self.state.lid)

    # -- the phone links devices

    def scan(self, qr: str, *, primary: bool = False) -> int:
        """Scan a QR text. Returns the number of the new device once the client has signed back."""
        return self._server.run(self._server.core.pairing.scan(self.state, qr, primary=primary)).number

    def enter_code(self, code: str) -> int:
        """Type a pairing code. Returns the number of the new device."""
        return self._server.run(self._server.core.pairing.enter_code(self.state, code)).number

    def protect_by_passkey(self) -> None:
        """From here on whoever wants to be linked is asked for the account's passkey, and nobody is."""
        self.state.wants_passkey = True

    def devices(self) -> list[int]:
        """The companions' numbers, and 0 when the phone is a real client."""
        return self._server.call(
            lambda: [number for number, device in self.state.devices.items() if not device.simulated]
        )

    def connected(self, device: int) -> bool:
        """Whether the device is logged in and has said that it is ready."""
        return self._server.call(lambda: self._device(device).connection is not None)

    def waiting(self, device: int) -> int:
        """How many stanzas the device has yet to acknowledge."""
        return self._server.call(lambda: len(self._device(device).outbox))

    def unlink(self, device: int) -> None:
        """Remove the device on the phone: its stream ends with 401."""
        self._server.call(lambda: self._server.core.devices.remove(self._device(device)))

    def adopt_identity(self, private: bytes) -> None:
        """A real client is the phone now: its identity key vouches for the companions linked from here on."""

        def adopt() -> None:
            self.state.key = KeyPair.from_private(private)

        self._server.call(adopt)

    def remember_app_state_key(self, key_id: bytes, key: bytes) -> None:
        """So that ``app_state`` can read what is encrypted with it."""
        self.state.app_state_keys[key_id] = key

    def app_state(self, *index: str) -> list[Mutation]:
        """The changes of shared settings so far, decrypted; those whose index begins so: ``app_state("pin_v1")``."""
        found = self._server.call(lambda: read(self.state))
        return [mutation for mutation in found if mutation.index[: len(index)] == list(index)]

    def block(self, other: Account, on: bool = True) -> None:
        """Block or unblock somebody on the phone; the companions are told. Source: whatsmeow notification.go."""

        def change() -> None:
            (self.state.blocked.add if on else self.state.blocked.discard)(other.state)
            item = node("item", {"jid": other.state.lid, "action": "block" if on else "unblock"})
            attrs: Attrs = {"from": self.state.lid, "type": "account_sync", "t": int(time.time())}
            for device in self.state.devices.values():
                if not device.simulated:
                    told = {**attrs, "id": secrets.token_hex(5)}
                    device.outbox.deliver(node("notification", told, node("blocklist", {"dhash": "0"}, item)))

        self._server.call(change)

    def call(self, other: Account) -> str:
        """Ring somebody from the phone; the call's id."""
        return self._server.call(lambda: offer(self.state, other.state))

    def present(self, device: int) -> bool:
        """Whether the device has said that its owner is online."""
        return self._server.call(lambda: self._device(device).present)

    # -- what befalls its connections

    def give(self, device: int, stanza: Node) -> None:
        """Deliver a stanza made up by the test, as WhatsApp might send it one day."""
        self._server.call(lambda: self._device(device).outbox.deliver(stanza))

    def hold(self, device: int) -> None:
        """From now on what is for the device is kept, though it is connected."""
        self._server.call(self._device(device).outbox.hold)

    def release(self, device: int, rate: float) -> Future[float]:
        """Let it go, so many stanzas a second. The future has the seconds it took."""
        return self._server.begin(self._device(device).outbox.release(rate))

    def drop(self, device: int) -> None:
        """The connection breaks, without a word."""

        def close() -> None:
            connection = self._device(device).connection
            if connection:
                connection.close()

        self._server.call(close)

    def drop_all(self) -> None:
        for device in self.devices():
            self.drop(device)

    def stream_replaced(self, device: int) -> None:
        """The stream ends because the same device has logged in elsewhere."""
        self._end(device, "replaced")

    def fail_logins(self, reason: int, times: int | None = None, **attrs: str | int) -> None:
        """Answer this account's logins with ``<failure reason=…>``, and end its connections so that they come."""

        def plan() -> None:
            self.state.failure = LoginFailure(reason, attrs, times)

        self._server.call(plan)
        self.drop_all()

    def ban(self, code: int = 101, expire: int = 3600, times: int | None = None) -> None:
        """Temporarily banned. ``expire`` in seconds; codes: whatsmeow types/events/events.go, TempBanReason."""
        self.fail_logins(TEMPORARILY_BANNED, times, code=code, expire=expire)

    def outdated(self, times: int | None = None) -> None:
        """The client's version is no longer accepted."""
        self.fail_logins(OUTDATED, times)

    def unavailable(self, times: int | None = 1) -> None:
        """The login is answered with 503; a client tries again by itself."""
        self.fail_logins(UNAVAILABLE, times)

    def lift(self) -> None:
        """Logins work again."""

        def lift() -> None:
            self.state.failure = None

        self._server.call(lift)

    # -- helpers

    def _device(self, number: int) -> Device:
        device = self.state.devices.get(number)
        if device is None:
            raise LookupError(f"{self.name} has no device {number}")
        return device

    def _end(self, device: int, conflict: str) -> None:
        def end() -> None:
            connection = self._device(device).connection
            if connection:
                connection.end(node("conflict", {"type": conflict}))

        self._server.call(end)
