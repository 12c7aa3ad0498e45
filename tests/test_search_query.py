"""What a typed text is understood as."""

from datetime import date

import pytest

from chats.search import Filter, Query, Term, parse
from chats.search.query import days

pytestmark = pytest.mark.sqlite_only


def test_it_works() -> None:
    query = parse('red "blue sky" -green ye* in:"Sales team" type:image before:2024-02 is:pinned')
    assert query.terms == (
        Term("red"),
        Term("blue sky", phrase=True),
        Term("green", excluded=True),
        Term("ye", prefix=True),
    )
    assert query.filters == (
        Filter("in", "Sales team"),
        Filter("type", "image"),
        Filter("before", "2024-02"),
        Filter("is", "pinned"),
    )


def test_a_query_is_text_again() -> None:
    text = 'red "blue sky" -green ye* in:"Sales team" -type:image'
    assert str(parse(text)) == text


def test_a_chip_s_cross() -> None:
    query = parse("red type:image is:mine")
    assert str(query.without(Filter("type", "image"))) == "red is:mine"
    assert str(query.without(Term("red"))) == "type:image is:mine"


def test_nothing() -> None:
    for text in ("", "  ", "-", '""', "*", 'in:""'):
        assert parse(text) == Query(), text


def test_a_number_is_one_word_whatever_its_blanks() -> None:
    assert parse("call +55 (11) 98765-4321 now").terms == (Term("call"), Term("+5511987654321"), Term("now"))


def test_a_number_without_blanks_takes_no_word_behind_it() -> None:
    """Was red: `12` became the number's end, also where a chip's cross took away what stood between them."""
    query = parse("+5511987654321 from:me 12")
    assert query.terms == parse("+5511987654321 12").terms == (Term("+5511987654321"), Term("12"))
    assert parse(str(query)) == query
    for text in ("+5511987654-321", "+551198765 4321", "+55 11987654321"):
        assert parse(text).terms == (Term("+5511987654321"),), text


def test_case_of_filters() -> None:
    assert parse("TYPE:Image IS:Mine").filters == (Filter("type", "image"), Filter("is", "mine"))


def test_actions_are_no_types() -> None:
    assert parse("type:reaction").filters == ()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2024", (date(2024, 1, 1), date(2025, 1, 1))),
        ("2024-02", (date(2024, 2, 1), date(2024, 3, 1))),
        ("2024-12", (date(2024, 12, 1), date(2025, 1, 1))),
        ("2024-02-29", (date(2024, 2, 29), date(2024, 3, 1))),
        ("3.2.2024", (date(2024, 2, 3), date(2024, 2, 4))),
        ("31/12/2024", (date(2024, 12, 31), date(2025, 1, 1))),
        ("2023-02-29", None),
        ("9999", None),
        ("0000", None),
        ("lunch", None),
    ],
)
def test_dates(text: str, span: tuple[date, date] | None) -> None:
    assert days(text) == span
