"""What was probably meant, when nothing was found.

Words that begin or end like the misspelled one are compared with it letter by
letter. What is offered has been searched for in the same scope: it is sure to
find something, and tells nobody a word from messages they may not read.
"""

from collections.abc import Callable
from dataclasses import replace

from chats.search.backends import backend
from chats.search.plan import Phrase, Plan, phrase_of
from chats.search.query import Query, Term
from chats.search.spelling import distance
from chats.search.tokens import is_name

# A page may ask the database so often on behalf of what was misspelled; filters have had questions of their own.
LOOKS = 4


def suggestion(query: Query, plan: Plan, found: Callable[[Plan], int]) -> str:
    """The query with one word mended, or empty.

    `plan`: the query's own. `found`: how many hits a plan has, up to some limit.
    """
    terms = [term for term in query.terms if not term.excluded and phrase_of(term) is not None]
    # The terms come first; what a filter stands for is worked out already.
    filters = plan.required[len(terms) :]
    looks = LOOKS - min(len(query.filters), 2)

    def look(phrases: tuple[tuple[Phrase, ...], ...]) -> int:
        nonlocal looks
        looks -= 1
        return found(replace(plan, required=(*phrases, *filters), others=()))

    for place, term in enumerate(terms):
        word = _word(term)
        # Of several words, the one that finds nothing is the misspelled one.
        if not word or looks < 1 or (len(terms) > 1 and look((plan.required[place],))):
            continue
        best, most = "", 0
        reach = 99
        for away, candidate in _candidates(word):
            if away > reach or looks < 1:
                break
            count = look((*plan.required[:place], (Phrase((candidate,)),), *plan.required[place + 1 : len(terms)]))
            if count > most:
                best, most, reach = str(query.with_term(term, Term(candidate))), count, away
        if best:
            return best
    return ""


def _word(term: Term) -> str:
    """The one word of a term that can be misspelled."""
    phrase = phrase_of(term)
    if term.excluded or phrase is None or len(phrase.tokens) != 1 or len(phrase.tokens[0]) < 3:
        return ""
    return phrase.tokens[0] if is_name(phrase.tokens[0]) else ""


def _candidates(word: str) -> list[tuple[int, str]]:
    """Words of the vocabulary by distance, the nearest first."""
    allowed = 1 if len(word) <= 4 else 2
    near = ((distance(word, other, allowed), other) for other in backend().neighbours(word) if other != word)
    return sorted((away, other) for away, other in near if away <= allowed)
