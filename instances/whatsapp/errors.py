"""What can go wrong between a wish and WhatsApp, each a sentence for people.

Raised by `instances.whatsapp.service`; compared by class, never by text.
"""


class WhatsAppError(Exception):
    """A command to WhatsApp that did not come about. `str()` is for people."""


class NotConnected(WhatsAppError):
    """Nothing was sent: the instance is not connected, or nothing holds its connection."""

    def __init__(self) -> None:
        super().__init__("WhatsApp client is not connected")


class NotConfirmed(WhatsAppError):
    """Sent, but not acknowledged within the limit: nobody knows the outcome."""

    def __init__(self) -> None:
        super().__init__("WhatsApp did not confirm in time")


class Busy(WhatsAppError):
    """Not sent: the instance was still waiting for WhatsApp's answer to an earlier message."""

    def __init__(self) -> None:
        super().__init__("WhatsApp did not confirm in time")


class Refused(WhatsAppError):
    """WhatsApp's server, or the client library before sending, said no."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"WhatsApp refused the message: {reason}")
        self.reason = reason


class AdminsOnly(WhatsAppError):
    """Not sent: the group lets only admins pin, and we are none. Phones would ignore the pin without a word."""

    def __init__(self) -> None:
        super().__init__("Only admins may pin messages in this group: ask an admin, or to be made one")


class NotOnWhatsApp(WhatsAppError):
    """Not sent: nobody has this phone number on WhatsApp."""

    def __init__(self) -> None:
        super().__init__("Number is not on WhatsApp")


class LinkingFailed(WhatsAppError):
    """No QR code or pairing code could be had; the text says why."""
