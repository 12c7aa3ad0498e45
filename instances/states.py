"""The states of an instance's connection, each with what it means and what to do.

The sentences are for people: they stand on pages, in the API and in the
terminal. What WhatsApp itself said goes beside them as `state_detail`.
"""

from django.db import models
from django.utils.translation import gettext_noop as _  # marks for translation; pages translate


class State(models.TextChoices):
    """Where an instance's connection stands."""

    UNLINKED = "unlinked", _("Not linked")
    LINKING = "linking", _("Waiting for the phone")
    CONNECTING = "connecting", _("Connecting")
    CONNECTED = "connected", _("Connected")
    DISCONNECTED = "disconnected", _("Disconnected")
    PAUSED = "paused", _("Paused")
    LOGGED_OUT = "logged_out", _("Logged out")
    REPLACED = "replaced", _("Replaced")
    BANNED = "banned", _("Banned")
    OUTDATED = "outdated", _("Outdated")
    UNPLACED = "unplaced", _("No place")


# Why linking ended, when nobody scanned in time: whoever still waits may have another code.
CODE_RAN_OUT = "The code ran out."

SENTENCES: dict[str, str] = {
    State.UNLINKED: _(
        "No phone is linked. Open WhatsApp on the phone, Linked devices, Link a device, "
        "and scan the QR code or enter the pairing code."
    ),
    State.LINKING: _("Waiting for the phone to scan the QR code or to accept the pairing code."),
    State.CONNECTING: _("Connecting to WhatsApp."),
    State.CONNECTED: _("Connected to WhatsApp."),
    State.DISCONNECTED: _(
        "The connection to WhatsApp is down. The portal keeps trying by itself; "
        "check this machine's internet connection if it lasts."
    ),
    State.PAUSED: _("Disconnected by a person. Connect it again when it is needed; no new QR code is necessary."),
    State.LOGGED_OUT: _("The phone unlinked this device. Link it again with a new QR code or pairing code."),
    State.REPLACED: _(
        "Another program connected with this device's keys and took the connection over. "
        "Stop the other program, then connect again here."
    ),
    State.BANNED: _(
        "WhatsApp has suspended this number. Open WhatsApp on the phone to see why and to ask for a review; "
        "the portal tries again when the time that WhatsApp named is over."
    ),
    State.OUTDATED: _("WhatsApp no longer accepts this version of the portal. Upgrade the portal, then connect again."),
    State.UNPLACED: _(
        "No connector is running that can hold this instance. "
        "Start one with its labels (CONNECTOR_LABELS) where its keys are, or change its labels: manage.py labels."
    ),
}

# States in which a device is linked and its keys are still good.
LINKED = frozenset(
    {State.CONNECTING, State.CONNECTED, State.DISCONNECTED, State.PAUSED, State.REPLACED, State.BANNED, State.OUTDATED}
)

# States that say that a connector holds the instance: with none that may, they are not true.
HELD = frozenset({State.UNLINKED, State.LINKING, State.CONNECTING, State.CONNECTED, State.DISCONNECTED})


def sentence(state: str, detail: str = "") -> str:
    """What `state` means, in words a person can act on, with WhatsApp's own reason."""
    words = SENTENCES[state]
    return f"{words} ({detail})" if detail else words
