"""An account's list of devices, and telling who must know when it changes.

Its own devices hear ``account_sync``, everybody who ever asked for the list hears ``devices``.
Source: whatsmeow notification.go (handleOwnDevicesNotification, handleDeviceNotification).
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from .node import Attrs, Node, node
from .phash import phash
from .state import PHONE, AccountState, Device

if TYPE_CHECKING:
    from .core import Core

REMOVED = 401


class Devices:
    def __init__(self, core: Core) -> None:
        self.core = core

    def added(self, device: Device) -> None:
        self._announce(device, "add")

    def remove(self, device: Device) -> None:
        """Unlink: the device's stream ends, its next login fails, and everybody forgets it."""
        device.removed = True
        device.account.devices.pop(device.number, None)
        device.outbox.clear()
        if device.connection:
            device.connection.end(node("conflict", {"type": "device_removed"}), code=REMOVED)
        if device.number == PHONE:
            device.account.simulate_phone()
        self._announce(device, "remove")

    def _announce(self, changed: Device, change: str) -> None:
        account = changed.account
        for own in account.devices.values():
            if own is not changed:
                own.outbox.deliver(_own_list(account))
        for watcher in account.watchers - {account}:
            for device in watcher.devices.values():
                if not device.simulated:
                    device.outbox.deliver(_change(changed, change))


def _notification(kind: str, attrs: Attrs, *content: Node) -> Node:
    base: Attrs = {"type": kind, "id": secrets.token_hex(5), "t": int(time.time())}
    return node("notification", {**base, **attrs}, *content)


def _own_list(account: AccountState) -> Node:
    devices = [node("device", {"jid": device.pn, "key-index": device.key_index}) for device in account.devices.values()]
    dhash = phash(device.pn for device in account.devices.values())
    return _notification("account_sync", {"from": account.pn}, node("devices", {"dhash": dhash}, *devices))


def _change(changed: Device, change: str) -> Node:
    account = changed.account
    hashes = {
        "device_hash": phash(device.pn for device in account.devices.values()),
        "device_lid_hash": phash(account.device_lids()),
    }
    device = node("device", {"jid": changed.pn, "lid": changed.lid, "key-index": changed.key_index})
    return _notification("devices", {"from": account.pn, "lid": account.lid}, node(change, {**hashes}, device))
