"""What a caller may have asked wrongly of chats and pins. `str()` is for people."""


class RequestError(Exception):
    """A wish that cannot be carried out as it was put.

    `for_now`: the same wish may do later, when there is room or a chat is known.
    """

    def __init__(self, words: str, *, for_now: bool = False) -> None:
        super().__init__(words)
        self.for_now = for_now


class MessageNotFound(RequestError):
    """The id is not among the instance's stored messages."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message with ID {message_id} not found")


class MessageAmbiguous(RequestError):
    """The id stands in several chats of the instance."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message with ID {message_id} exists in more than one chat: send chatJid")


class CannotBePinned(RequestError):
    """There is nothing to pin, or nobody would see it, now and later."""


class MessageDeleted(CannotBePinned):
    """It was deleted for everyone."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message with ID {message_id} was deleted for everyone: it cannot be pinned")


class MessageDisappeared(CannotBePinned):
    """The time of a disappearing message is over, and nobody kept it."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message with ID {message_id} has disappeared from the phones: it cannot be pinned")


class NotInAConversation(CannotBePinned):
    """It stands where phones know no pins; sent to the status, one would go to the whole address book."""

    def __init__(self, message_id: str) -> None:
        super().__init__(
            f"message with ID {message_id} stands in a status, a channel or a broadcast list: it cannot be pinned"
        )


class InvalidDuration(RequestError):
    """WhatsApp knows three durations of a pin, and this is none of them."""

    def __init__(self, value: str) -> None:
        super().__init__(f'invalid duration "{value}": use "24h", "7d" or "30d"')


class NoChat(RequestError):
    """A channel, the status or a broadcast list: what stands there is not from one person to others."""

    def __init__(self) -> None:
        super().__init__("number must be a person's or a group's")
