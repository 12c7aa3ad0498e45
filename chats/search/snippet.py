"""The part of a text that shows what was found, with the finds marked."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from chats.search.documents import SINGLE
from chats.search.plan import phrase_of
from chats.search.query import Query
from chats.search.tokens import MAX_TOKEN, fold, pieces

BEFORE = 40
LENGTH = 200
# A find further down in a very long text is not shown.
LOOKED_AT = 10_000

Pieces = tuple[tuple[str, bool], ...]


def snippets(query: Query) -> Callable[[str], Pieces]:
    """What cuts about LENGTH characters around the first find out of a text, in pieces of (text, found)."""
    phrases = [phrase for term in query.terms if not term.excluded and (phrase := phrase_of(term))]
    wanted = {token: phrase.prefix for phrase in phrases for token in phrase.tokens}
    plain = _plain(wanted)

    def cut(text: str) -> Pieces:
        folded, origin = _fold_with_origin(text[:LOOKED_AT])
        places = [match.span() for match in plain.finditer(folded)] if folded.isascii() else _places(folded, wanted)
        # One character may have become several, so joined only when back in `text`.
        spans = _merge([(origin[start], origin[end - 1] + 1) for start, end in places])
        start = _start(text, spans[0][0] if spans else 0)
        end = _end(text, start + LENGTH)
        return _cut(text, [(max(a, start), min(b, end)) for a, b in spans if a < end and b > start], start, end)

    return cut


def _plain(wanted: dict[str, bool]) -> re.Pattern[str]:
    """What finds in a text of plain letters, all at once, what `_places` finds in any."""
    words = [
        re.escape(token) + "[a-z0-9]*" * (prefix or len(token) >= MAX_TOKEN)
        for token, prefix in wanted.items()
        if token.isascii()
    ]
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(words)})(?![a-z0-9])" if words else "(?!)")


def _fold_with_origin(text: str) -> tuple[str, Sequence[int]]:
    """The folded text, and for each of its characters which one of `text` it came from."""
    if text.isascii():
        return text.lower(), range(len(text))
    if _ONE.issuperset(text) or all(map(_is_one, set(text))):
        return text.translate(_FOLDED), range(len(text))
    folded: list[str] = []
    origin: list[int] = []
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        part = _fold(text[at:end])
        folded.append(part)
        origin.extend(min(at + number, end - 1) for number in range(len(part)))
        at = end
    return "".join(folded), origin


_fold = lru_cache(maxsize=8192)(fold)
# Characters met whose folding is one character as well, and what it is.
_ONE: set[str] = set()
_FOLDED: dict[int, str] = {}


def _is_one(char: str) -> bool:
    folded = _fold(char)
    if len(folded) != 1:
        return False
    _FOLDED[ord(char)] = folded
    _ONE.add(char)
    return True


def _places(folded: str, wanted: dict[str, bool]) -> list[tuple[int, int]]:
    """Where in the folded text the wanted words stand."""
    found: list[tuple[int, int]] = []
    at = 0
    for piece, is_run in pieces(folded):
        at = folded.index(piece, at)
        if is_run:
            found.extend(_in_run(piece, at, wanted))
        elif piece in wanted or any(prefix and piece.startswith(token) for token, prefix in wanted.items()):
            found.append((at, at + len(piece)))
        at += len(piece)
    return found


def _in_run(run: str, at: int, wanted: dict[str, bool]) -> list[tuple[int, int]]:
    found = []
    for token in wanted:
        part = token.removeprefix(SINGLE)
        place = run.find(part)
        while place >= 0:
            found.append((at + place, at + place + len(part)))
            place = run.find(part, place + 1)
    return found


def _merge(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _start(text: str, first: int) -> int:
    """A little before the first find, at a word's beginning where there is one near."""
    if first <= BEFORE:
        return 0
    start = first - BEFORE
    blank = text.find(" ", start, first)
    return blank + 1 if blank >= 0 else start


def _end(text: str, end: int) -> int:
    if end >= len(text):
        return len(text)
    blank = text.rfind(" ", end - 20, end)
    return blank if blank >= 0 else end


def _cut(text: str, spans: list[tuple[int, int]], start: int, end: int) -> Pieces:
    cut: list[tuple[str, bool]] = [("…", False)] if start else []
    at = start
    for first, last in spans:
        cut += [(text[at:first], False), (text[first:last], True)]
        at = last
    cut.append((text[at:end] + ("…" if end < len(text) else ""), False))
    return tuple(piece for piece in cut if piece[0])
