"""What is wrong with a plan or a rule, apart from how it is said."""

from enum import Enum

from chats.errors import RequestError


class Faulty(RequestError):
    """A wish that cannot be; the text says why to who writes programs. Pages go by `fault` (`chats.views.troubles`)."""

    def __init__(self, fault: Enum, words: str, *, for_now: bool = False) -> None:
        super().__init__(words, for_now=for_now)
        self.fault = fault
