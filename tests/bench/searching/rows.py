"""Ten million messages that look like somebody's: made up quickly, the same in every run.

Words are as unequal as in any language (the most common stands in every eighth
message, most in hardly any). One message in twenty is Chinese or Japanese,
some are Arabic or Thai, some end in emoji; one in ten arrives years late, as
history does. 50 instances of very different size, 1,000 chats each.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

INSTANCES = 50
CHATS = 1_000
START = datetime(2023, 11, 1, tzinfo=UTC)
# Nearly three years.
SPAN = timedelta(seconds=473 * 200_000)
VOCABULARY = 60_000
RARE_EVERY = 100_000
OWN = "5511900000000@s.whatsapp.net"

_syllables = [a + b for a in "bcdfglmnprstvz" for b in ("a", "e", "i", "o", "u", "ão", "ar", "en", "is", "or")]


def word(number: int) -> str:
    """The word of this rank: 0 is the most common."""
    parts = []
    number += 7
    while number:
        number, part = divmod(number, len(_syllables))
        parts.append(_syllables[part])
    return "".join(parts)


WORDS = [word(number) for number in range(VOCABULARY)]
_WEIGHTS = list(accumulate(1 / (rank + 8) ** 1.05 for rank in range(VOCABULARY)))
_HAN = [chr(0x4E00 + number) for number in range(2_500)]
_HAN_WEIGHTS = list(accumulate(1 / (rank + 20) for rank in range(2_500)))
_KANA = [chr(0x3042 + number) for number in range(80)]
_ARABIC = list("ابتثجحخدذرزسشصضطظعغفقكلمنهوي")
_THAI = [chr(0x0E01 + number) for number in range(46)]
EMOJI = list("😂❤😍🤣😊🙏💕😭😘👍😅👏😁🔥💔💖💙😢🤔😆🙄💪😉👌🤗💜😔😎😇🌹🤦🎉💞✌✨🤷😱😌🌸🙌😋")
_KINDS = ["text"] * 88 + ["image"] * 6 + ["document"] * 2 + ["voice"] * 3 + ["video"]


def texts(rng: random.Random) -> Iterator[str]:
    """Texts without end."""
    while True:
        dice = rng.random()
        if dice < 0.9:
            # cum_weights: a binary search a word.
            text = " ".join(rng.choices(WORDS, cum_weights=_WEIGHTS, k=rng.randint(1, 17)))
            yield text[0].upper() + text[1:] + (" " + rng.choice(EMOJI) if dice < 0.05 else rng.choice(".!?"))
        elif dice < 0.93:
            yield "".join(rng.choices(_HAN, cum_weights=_HAN_WEIGHTS, k=rng.randint(4, 20))) + "。"
        elif dice < 0.95:
            yield "".join(rng.choices(_KANA, k=rng.randint(4, 15))) + "".join(rng.choices(_HAN, k=3))
        elif dice < 0.98:
            yield " ".join("".join(rng.choices(_ARABIC, k=rng.randint(2, 8))) for _ in range(rng.randint(1, 9)))
        else:
            yield "".join(rng.choices(_THAI, k=rng.randint(5, 30)))


def kinds(rng: random.Random) -> Iterator[str]:
    """Types of messages without end."""
    while True:
        yield _KINDS[int(rng.random() * len(_KINDS))]


# In the order of what `rows` yields; the rest is the same for all.
COLUMNS = (
    "id", "instance_id", "chat_id", "sender", "message_id", "from_me", "sent_at", "stored_at", "kind", "text",
    "sender_name", "wire_chat", "wire_sender", "quoted_id", "target_id", "data",
)  # fmt: skip
Row = tuple[int, int, int, str, str, bool, datetime, datetime, str, str, str, str, str, str, str, str]


def phone(instance: int, chat: int) -> str:
    """Whom a chat is with."""
    return f"55119{chat:04}{instance:04}@s.whatsapp.net"


def lid(instance: int, chat: int) -> str:
    """Their other name."""
    return f"{chat:04}{instance:04}@lid"


def rows(first: int, end: int, total: int, chats: dict[tuple[int, int], int]) -> Iterator[Row]:
    """Messages number `first` to `end` of `total`. `chats`: (instance, number) to primary key."""
    rng = random.Random(first)
    text_of, kind_of = texts(rng), kinds(rng)
    instances = sorted({instance for instance, _ in chats})
    weights = list(accumulate(1 / (rank + 2) for rank in range(len(instances))))
    step = SPAN / total
    for number in range(first, end):
        instance = rng.choices(instances, cum_weights=weights)[0]
        chat = int(rng.random() ** 3 * CHATS)
        at = (START + step * number).replace(microsecond=0)
        if number % 10 == 0:
            at = (START + (at - START) * rng.random()).replace(microsecond=0)
        text = next(text_of)
        if number % RARE_EVERY == 77:
            text += f" xylophon{number // RARE_EVERY % 10}"
        other = phone(instance, chat)
        mine = rng.random() < 0.4
        sender = OWN if mine else other
        name = "" if mine else f"Maria {chat}"
        kind = next(kind_of)
        message_id = f"3EB0{rng.getrandbits(64):016X}"
        yield (
            number + 1, instance, chats[instance, chat], sender, message_id, mine, at, at, kind, text,
            name, other, sender, "", "", "{}",
        )  # fmt: skip
