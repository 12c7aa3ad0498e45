"""What the server knows: accounts, their devices, and the keys these published."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .curve import KeyPair
from .jid import JID, LID_SERVER, PN_SERVER
from .outbox import Outbox
from .protos import wa_adv

if TYPE_CHECKING:
    from .connection import Connection

PHONE = 0  # the device number of the account's own phone
_FIRST_LID = 100_000_000_000_000


@dataclass(frozen=True)
class SignedPreKey:
    id: bytes
    public: bytes
    signature: bytes


@dataclass(eq=False)
class Device:
    """One linked device. ``noise`` is empty for a simulated phone: nobody can log in as it."""

    account: AccountState
    number: int
    identity: bytes
    registration: bytes
    signed_prekey: SignedPreKey
    noise: bytes = b""
    key_index: int = 0
    signed_identity: wa_adv.ADVSignedDeviceIdentity | None = None
    prekeys: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    outbox: Outbox = field(default_factory=Outbox)
    connection: Connection | None = None
    present: bool = False
    removed: bool = False

    @property
    def lid(self) -> JID:
        return self.account.lid.with_device(self.number)

    @property
    def pn(self) -> JID:
        return self.account.pn.with_device(self.number)

    @property
    def simulated(self) -> bool:
        return not self.noise


@dataclass
class LoginFailure:
    """What the account's next logins are answered with, ``times`` times (None: until lifted)."""

    reason: int
    attrs: dict[str, str | int]
    times: int | None = None


class AccountState:
    def __init__(self, name: str, phone: str, index: int, phone_listed: bool) -> None:
        self.name = name
        self.phone_listed = phone_listed
        self.pn = JID(phone, PN_SERVER)
        self.lid = JID(str(_FIRST_LID + index * 7_919), LID_SERVER)
        self.key = KeyPair.generate()  # signs the account's companions; the phone's identity key
        self.devices: dict[int, Device] = {}
        self.watchers: set[AccountState] = set()  # who asked for our device list and must hear when it changes
        self.failure: LoginFailure | None = None
        self.next_device = 1
        self.app_state: dict[str, list[bytes]] = {}  # each collection's patches, the first is version 1
        self.app_state_keys: dict[bytes, bytes] = {}  # those a test knows, to read the patches
        self.blocked: set[AccountState] = set()
        self.wants_passkey = False  # no device is linked before the account's passkey has answered
        self.simulate_phone()

    def simulate_phone(self) -> None:
        """The phone as everybody sees it: a device with keys. What is encrypted for it is thrown away."""
        if not self.phone_listed:
            return
        prekey = KeyPair.generate()
        signed = SignedPreKey(b"\0\0\1", prekey.public, self.key.sign(b"\x05" + prekey.public))
        self.devices[PHONE] = Device(self, PHONE, self.key.public, b"\0\0\0\1", signed)

    def number_device(self) -> int:
        number, self.next_device = self.next_device, self.next_device + 1
        return number

    def device_lids(self) -> list[JID]:
        return [self.lid.with_device(number) for number in self.devices]


class Directory:
    """Everybody on WhatsApp, by either of their two names."""

    def __init__(self) -> None:
        self._by_jid: dict[JID, AccountState] = {}
        self.accounts: list[AccountState] = []

    def add(self, name: str, phone: str, phone_listed: bool = True) -> AccountState:
        if JID(phone, PN_SERVER) in self._by_jid:
            raise ValueError(f"{phone} is taken")
        account = AccountState(name, phone, len(self.accounts) + 1, phone_listed)
        self.accounts.append(account)
        self._by_jid[account.pn] = self._by_jid[account.lid] = account
        return account

    def find(self, jid: JID | None) -> AccountState | None:
        return self._by_jid.get(jid.account) if jid else None

    def device(self, jid: JID | None) -> Device | None:
        account = self.find(jid)
        return account.devices.get(jid.device) if account and jid else None
