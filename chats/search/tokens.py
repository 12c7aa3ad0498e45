"""Text into tokens: the same for both databases, and for messages and queries alike.

Words lose case and accents. Scripts that write without spaces (and Arabic,
which glues articles to its words) become overlapping pairs of characters, so
that any part of a sentence can be found: 東京都 is 東京, 京都 and 都, and 京都 is
found in it. An emoji is a word of its own, whatever its skin.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

# Longer "words" are keys and links; their beginning is enough to find them.
MAX_TOKEN = 40
# PostgreSQL counts positions up to 16,383 and refuses a megabyte a message.
# WhatsApp ends a text at 65,536 characters.
MAX_TOKENS = 16_000
# Beyond so many groups of digits it is a table, and no telephone numbers.
MAX_GROUPS = 1_000

# Arabic without its digits and punctuation; Thai, Lao, Tibetan, Myanmar,
# Khmer; kana; Han with its iteration marks.
RUNS = (
    "\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\u0750-\u077f\u08a0-\u08ff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0ecf\u0edc-\u0eff\u0f40-\u0fbc\u1000-\u103f\u1050-\u109f\u1780-\u17d3"
    "\u3005-\u3007\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
EMOJI = "\u203c\u2049\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d"
EMOJI += "\U0001f000-\U0001f3fa\U0001f400-\U0001faff"


def _marks() -> str:
    """Signs that belong to the letter before them, for instance the vowels of Hindi."""
    marks = [chr(code) for code in range(0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc")]
    return "".join(marks)


_TOKEN = re.compile(f"(?P<run>[{RUNS}]+)|(?P<emoji>[{EMOJI}])|(?P<word>(?:[^\\W_{RUNS}{EMOJI}][{_marks()}]*)+)")
_RUN = re.compile(f"[{RUNS}]")
_PLAIN = re.compile(r"[a-z0-9]+")
_PHONES = re.compile(r"\+?\d[\d ().\u00a0/-]{6,}\d")
_DIGITS = re.compile(r"\d+")
# Letters that Unicode does not take apart.
_ALIKE = str.maketrans({"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ħ": "h", "\u0640": None})


def fold(text: str) -> str:
    """Without case, accents, vowel points and width: "Ação" is "acao", "ﾃｽﾄ" is "テスト"."""
    if text.isascii():
        return text.lower()
    # Nothing reaches across a blank, and most words have been met before.
    words = text.split(" ")
    return " ".join([_fold_met(word) if len(word) <= MAX_TOKEN else _fold(word) for word in words])


def _fold(text: str) -> str:
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(char for char in apart if not _is_accent(char))
    return unicodedata.normalize("NFC", kept).translate(_ALIKE)


_fold_met = lru_cache(maxsize=32_768)(_fold)


@lru_cache(maxsize=4096)
def _is_accent(char: str) -> bool:
    """Accents and Hebrew or Arabic points; not the vowels of Thai or Hindi, not the dots that make か into が."""
    place = unicodedata.combining(char)
    return 10 <= place < 36 or place >= 200 or char in "\ufe0f\ufe0e\u200d"


def pieces(folded: str) -> Iterator[tuple[str, bool]]:
    """The words, emoji and runs (True) of folded text, in order."""
    if folded.isascii():
        for word in _PLAIN.findall(folded):
            yield word[:MAX_TOKEN], False
        return
    for match in _TOKEN.finditer(folded):
        run = match["run"]
        yield (run, True) if run else (match[0][:MAX_TOKEN], False)


def tokens(text: str) -> tuple[list[str], set[str]]:
    """A message's tokens in order, and the single characters of its runs (see `single`)."""
    if text.isascii():
        return [word[:MAX_TOKEN] for word in _PLAIN.findall(text.lower())[:MAX_TOKENS]], set()
    found: list[str] = []
    singles: set[str] = set()
    for piece, is_run in pieces(fold(text)):
        if is_run:
            # The last one stands alone: what follows it is its neighbour.
            found.extend(piece[at : at + 2] for at in range(len(piece)))
            singles.update(piece)
        else:
            found.append(piece)
        if len(found) > MAX_TOKENS:
            return found[:MAX_TOKENS], singles
    return found, singles


def phone_digits(text: str) -> set[str]:
    """Phone numbers written with blanks, brackets or dots: their digits in one piece.

    Where one ends nobody can tell ("98765-4321 18h", "98765-4321 / 98765-4322"), so it is all that may be one.
    """
    found: set[str] = set()
    left = MAX_GROUPS
    for stretch in _PHONES.findall(text):
        groups = _DIGITS.findall(fold(stretch))[:left]
        left -= len(groups)
        for at in range(len(groups)):
            found.update(number for number in accumulate(groups[at : at + 15]) if 7 <= len(number) <= 15)
    return found


def is_name(token: str) -> bool:
    """Whether a token is a word of the vocabulary: suggestions and prefixes come from there."""
    first = token[0]
    return first.isalpha() and (first < "\u0620" or not _RUN.match(first))
