"""What is printed. Messages are written by strangers: none of them may steer the terminal."""

import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

# Categories: controls (escape sequences begin with one), formats (those that
# turn the direction of writing), halves of characters, private ones.
_UNSAFE = {"Cc", "Cf", "Cs", "Co"}
# Joins emoji and letters, and moves nothing.
_JOINER = "\N{ZERO WIDTH JOINER}"


def clean(text: str) -> str:
    """Text on one line that is text and nothing else."""
    spaced = re.sub(r"\s+", " ", text).strip()
    return "".join("\N{REPLACEMENT CHARACTER}" if _unsafe(character) else character for character in spaced)


def _unsafe(character: str) -> bool:
    return unicodedata.category(character) in _UNSAFE and character != _JOINER


def as_json(answer: object) -> None:
    """The API's answer as it came, on one line, readable by a terminal and by programs."""
    text = json.dumps(answer, ensure_ascii=False)
    click.echo("".join(_escaped(one) if _unsafe(one) else one for one in text))


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) != 0x7F else "\\u007f"


def table(rows: Sequence[Sequence[str]]) -> None:
    """Rows in columns, cut at the terminal's edge if it is one."""
    rows = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    edge = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        line = "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(line if edge is None else _cut(line, edge))


def _width(text: str) -> int:
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character == _JOINER:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(line: str, edge: int) -> str:
    if _width(line) <= edge:
        return line
    kept, room = "", edge - 1
    for character in line:
        room -= _columns(character)
        if room < 0:
            break
        kept += character
    return kept + "…"


def when(moment: Any) -> str:
    """A time of the API's in the zone of this machine, to the minute."""
    return datetime.fromisoformat(str(moment)).astimezone().strftime("%Y-%m-%d %H:%M") if moment else ""


def more(answer: dict[str, Any]) -> None:
    """Say how to go on, where there is more."""
    if answer["hasMore"]:
        click.echo(f"There is more: --cursor {answer['next']}", err=True)
