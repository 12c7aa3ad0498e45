# mypy: disable-error-code="import-untyped"
"""App state: the settings an account's devices share (pinned chats, stars, the push name), as encrypted patches.

The server keeps the patches of each collection and numbers them; it cannot read them. A test can: the key is made and
shared by an actor that plays the phone. Source: whatsmeow appstate.go, appstate/decode.go and keys.go.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.json_format import MessageToDict

from .connection import Connection
from .iq import IQError, handles
from .node import Attrs, Node, node
from .protos import wa_sync, wa_sync_action
from .state import AccountState, Device

if TYPE_CHECKING:
    from .core import Core

CONFLICT = 409


@handles("w:sync:app:state", "set", "sync")
def sync(core: Core, connection: Connection, query: Node) -> list[Node]:
    assert connection.device
    collections = list(query.children[0].all("collection"))
    return [node("sync", None, *(_collection(connection.device, wanted) for wanted in collections))]


def _collection(device: Device, wanted: Node) -> Node:
    name, patch = wanted.text("name"), wanted.child("patch")
    if not name:
        raise IQError(400)
    patches = device.account.app_state.setdefault(name, [])
    known = int(wanted.text("version") or 0)  # no version: the client wants everything
    missing = node("patches", None, *(node("patch", data=data) for data in patches[known:]))
    if patch and known != len(patches):
        # Another device was faster; the client applies what it missed and tries again.
        error = node("error", {"code": CONFLICT, "text": "conflict"})
        return node("collection", {"name": name, "version": len(patches), "type": "error"}, error, missing)
    if patch:
        numbered = wa_sync.SyncdPatch.FromString(patch.data)
        numbered.version.version = len(patches) + 1
        patches.append(numbered.SerializeToString())
        _tell(device, name, len(patches))
        return node("collection", {"name": name, "version": len(patches)})
    return node("collection", {"name": name, "version": len(patches)}, missing)


def _tell(changed_by: Device, name: str, version: int) -> None:
    """The account's other devices fetch the patch."""
    account = changed_by.account
    for device in account.devices.values():
        if device is not changed_by and not device.simulated:
            attrs: Attrs = {
                "from": account.pn,
                "type": "server_sync",
                "id": secrets.token_hex(5),
                "t": int(time.time()),
            }
            change = node("collection", {"name": name, "version": version})
            device.outbox.deliver(node("notification", attrs, change))


@dataclass(frozen=True)
class Mutation:
    """One change, decrypted: ``index`` names what it is about, such as ``["pin_v1", "5511…@s.whatsapp.net"]``."""

    collection: str
    removed: bool
    index: list[str]
    value: dict[str, Any]


def read(account: AccountState) -> list[Mutation]:
    """Every change so far, collection by collection; of keys the test does not know none."""
    found: list[Mutation] = []
    for name, patches in account.app_state.items():
        for data in patches:
            for mutation in wa_sync.SyncdPatch.FromString(data).mutations:
                key = account.app_state_keys.get(mutation.record.keyID.ID)
                if key:
                    removed = mutation.operation == wa_sync.SyncdMutation.REMOVE
                    found.append(_decrypt(name, removed, key, mutation.record.value.blob))
    return found


def _decrypt(collection: str, removed: bool, key: bytes, blob: bytes) -> Mutation:
    expanded = HKDF(hashes.SHA256(), 160, None, b"WhatsApp Mutation Keys").derive(key)
    value_key, iv, sealed = expanded[32:64], blob[:16], blob[16:-32]
    decryptor = Cipher(algorithms.AES(value_key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    plain = unpadder.update(decryptor.update(sealed)) + unpadder.finalize()
    action = wa_sync_action.SyncActionData.FromString(plain)
    return Mutation(collection, removed, json.loads(action.index), MessageToDict(action.value))
