"""The states of an instance's connection, each with what it means and what to do.

The sentences are for people: they stand on pages, in the API and in the
terminal. What WhatsApp itself said goes beside them as `state_detail`.
"""

from django.db import models


class State(models.TextChoices):
    """Where an instance's connection stands."""

    UNLINKED = "unlinked", "Not linked"
    LINKING = "linking", "Waiting for the phone"
    CONNECTING = "connecting", "Connecting"
    CONNECTED = "connected", "Connected"
    DISCONNECTED = "disconnected", "Disconnected"
    PAUSED = "paused", "Paused"
    LOGGED_OUT = "logged_out", "Logged out"
    REPLACED = "replaced", "Replaced"
    BANNED = "banned", "Banned"
    OUTDATED = "outdated", "Outdated"


SENTENCES: dict[str, str] = {
    State.UNLINKED: "No phone is linked. Open WhatsApp on the phone, Linked devices, Link a device, "
    "and scan the QR code or enter the pairing code.",
    State.LINKING: "Waiting for the phone to scan the QR code or to accept the pairing code.",
    State.CONNECTING: "Connecting to WhatsApp.",
    State.CONNECTED: "Connected to WhatsApp.",
    State.DISCONNECTED: "The connection to WhatsApp is down. The portal keeps trying by itself; "
    "check this machine's internet connection if it lasts.",
    State.PAUSED: "Disconnected by a person. Connect it again when it is needed; no new QR code is necessary.",
    State.LOGGED_OUT: "The phone unlinked this device. Link it again with a new QR code or pairing code.",
    State.REPLACED: "Another program connected with this device's keys and took the connection over. "
    "Stop the other program, then connect again here.",
    State.BANNED: "WhatsApp has suspended this number. Open WhatsApp on the phone to see why and to ask for a review; "
    "the portal tries again when the time that WhatsApp named is over.",
    State.OUTDATED: "WhatsApp no longer accepts this version of the portal. Upgrade the portal, then connect again.",
}

# States in which a device is linked and its keys are still good.
LINKED = frozenset(
    {State.CONNECTING, State.CONNECTED, State.DISCONNECTED, State.PAUSED, State.REPLACED, State.BANNED, State.OUTDATED}
)


def sentence(state: str, detail: str = "") -> str:
    """What `state` means, in words a person can act on, with WhatsApp's own reason."""
    words = SENTENCES[state]
    return f"{words} ({detail})" if detail else words
