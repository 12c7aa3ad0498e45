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


class NotAllowed(WhatsAppError):
    """Not sent: the chat is such that nobody would see it. WhatsApp's server would not say so."""

    sentence = ""

    def __init__(self) -> None:
        super().__init__(self.sentence)


class AdminsOnly(NotAllowed):
    """The group lets only admins pin, and we are none. Phones would ignore the pin without a word."""

    sentence = "Only admins may pin messages in this group: ask an admin, or to be made one"


class AdminsWrite(NotAllowed):
    """The group lets only admins write, and we are none; a pin is a message like any other."""

    sentence = "Only admins may write in this group, and so only they may pin: ask an admin, or to be made one"


class NotInGroup(NotAllowed):
    """We left the group, were removed from it, or it is no more."""

    sentence = "This account is not in the group any more: ask a member to add it again"


class Blocked(NotAllowed):
    """We blocked the contact: WhatsApp delivers nothing to them. (That a contact blocked us, nobody is told.)"""

    sentence = "This contact is blocked: unblock them on the phone first"


class NotOnWhatsApp(WhatsAppError):
    """Not sent: nobody has this phone number on WhatsApp."""

    def __init__(self) -> None:
        super().__init__("Number is not on WhatsApp")


class MediaError(WhatsAppError):
    """The file of a message cannot be had."""

    sentence = ""

    def __init__(self) -> None:
        super().__init__(self.sentence)


class NoMedia(MediaError):
    """There is no file behind the message, or it does not say where."""

    sentence = "There is no file behind this message"


class ViewOnce(MediaError):
    """The sender meant it to be seen once, on the phone."""

    sentence = "This was sent to be seen once: open it on the phone"


class MediaTooLarge(MediaError):
    """Larger than MEDIA_MAX_MB allows."""

    sentence = "This file is larger than the portal fetches: open it on the phone, or raise MEDIA_MAX_MB"


class MediaTooHeavy(MediaError):
    """Not tried: a connector ended while it fetched it, without a word. It may be larger than its sender said."""

    sentence = (
        "The portal broke down while it fetched this file, which may be larger than its sender said: "
        "open it on the phone, or try again tomorrow"
    )


class MediaGone(MediaError):
    """WhatsApp has deleted it (404, 410), or does not give it out any more (403)."""

    sentence = "WhatsApp no longer has this file: ask for it to be sent again, or open it on the phone"


class MediaBroken(MediaError):
    """What WhatsApp gave is not what the sender described: a hash or a signature is wrong."""

    sentence = "This file arrived damaged: what WhatsApp has is not what the sender sent. Ask for it to be sent again"


class MediaUnreachable(MediaError):
    """WhatsApp's media server did not answer, or in a way nobody expected."""

    sentence = "WhatsApp's media server could not be reached: try again in a minute"


class MediaBusy(MediaError):
    """Too many files are being fetched at this moment."""

    sentence = "Too many files are being fetched at the moment: try again in a minute"


class LinkingFailed(WhatsAppError):
    """No QR code or pairing code could be had; the text says why."""
