"""Whether a message fits a rule. Nothing here reads or writes the database."""

from collections.abc import Collection
from dataclasses import dataclass

from chats.models import Chat, Message, Rule
from chats.search.tokens import fold

# In a rule's list of people: whoever writes from the account itself.
ME = "me"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule's demands, made ready to be compared with many messages."""

    trigger: str
    chat: int | None
    people: frozenset[str]
    words: str

    @classmethod
    def of(cls, rule: Rule) -> "Pattern":
        """Of a rule."""
        words = emoji(rule.words) if rule.trigger == Rule.Trigger.REACTION else spaced(rule.words)
        return cls(rule.trigger, rule.chat_id, frozenset(rule.people), words)

    def fits(self, message: Message) -> bool:
        """Whether this message sets it off; of a reaction, the message it is about is meant then."""
        if message.chat.kind not in Chat.CONVERSATIONS or (self.chat is not None and message.chat_id != self.chat):
            return False
        if self.trigger == Rule.Trigger.REACTION:
            return message.kind == Message.Kind.REACTION and self._by(message) and emoji(message.text) == self.words
        if message.kind in Message.ACTIONS or message.kind == Message.Kind.SYSTEM or message.deleted_at is not None:
            return False
        if self.trigger == Rule.Trigger.HASHTAG:
            return message.from_me and self.words.strip() in hashtags(message.text)
        return (not self.people or self._by(message)) and (not self.words.strip() or self.words in spaced(message.text))

    def _by(self, message: Message) -> bool:
        return (ME if message.from_me else message.sender) in self.people


def spaced(text: str) -> str:
    """The words of a text, folded, each between blanks: " rua das flores " is a part of it if they stand there."""
    kept = "".join(char if char.isalnum() or char == "_" else " " for char in fold(text))
    return f" {' '.join(kept.split())} "


def hashtags(text: str) -> Collection[str]:
    """The hashtags of a text, folded, without their sign."""
    found = set()
    for part in fold(text).replace("\uff03", "#").split("#")[1:]:
        tag = ""
        for char in part:
            if not (char.isalnum() or char == "_"):
                break
            tag += char
        if tag:
            found.add(tag)
    return found


def emoji(text: str) -> str:
    """An emoji without its variation sign and skin: 👍🏽 is 👍."""
    return "".join(char for char in text.strip() if char not in "\ufe0e\ufe0f" and not 0x1F3FB <= ord(char) <= 0x1F3FF)
