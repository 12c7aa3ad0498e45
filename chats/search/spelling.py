"""How far one word is from another, letter by letter, and which are next to one."""

from collections.abc import Iterator
from functools import lru_cache

LATIN = "abcdefghijklmnopqrstuvwxyz0123456789"
# Unicode keeps an alphabet within so many characters, beginning at a multiple of it.
BLOCK = 0x80
# A word of forty letters in ten alphabets is no word, and its neighbours would be more than a database takes.
MAX_LETTERS = 150


def distance(one: str, other: str, limit: int) -> int:
    """Letters added, left out, changed or swapped with their neighbour; limit + 1 for anything beyond `limit`."""
    if abs(len(one) - len(other)) > limit or len(set(one) ^ set(other)) > 2 * limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        earlier, before, row = before, row, [i]
        for j, against in enumerate(other, start=1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]


def one_away(word: str) -> Iterator[str]:
    """All that one letter added, left out, changed or swapped with its neighbour makes of a folded word.

    The letters are those of the word's own alphabets: some 600 words for a
    Latin one of ten letters, some twice as many for a Cyrillic one.
    """
    letters = "".join(dict.fromkeys("".join(map(_alphabet, word))))[:MAX_LETTERS]
    for at in range(len(word) + 1):
        before, rest = word[:at], word[at:]
        yield from (before + letter + rest for letter in letters)
        if rest:
            yield before + rest[1:]
            yield from (before + letter + rest[1:] for letter in letters if letter != rest[0])
        if len(rest) > 1:
            yield before + rest[1] + rest[0] + rest[2:]


@lru_cache(maxsize=512)
def _alphabet(letter: str) -> str:
    if letter in LATIN:
        return LATIN
    first = ord(letter) - ord(letter) % BLOCK
    return "".join(char for char in map(chr, range(first, first + BLOCK)) if char.isalpha() and char == char.lower())
