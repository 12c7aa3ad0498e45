"""`portal-cli figures` and `portal-cli pin-history`: what was pinned, in numbers and line by line."""

from typing import Any

import click

from portal.cli.api import segment
from portal.cli.house import House, pass_house
from portal.cli.messages import CHAT, CURSOR, LIMIT
from portal.cli.naming import INSTANCE
from portal.cli.output import as_json, more, table, when

OUTCOMES = ("done", "elsewhere", "failed", "unknown")


@click.command()
@INSTANCE
@click.option("--days", type=click.IntRange(1, 366), help="So many, up to today (UTC).  [default: 30]")
@pass_house
def figures(house: House, instance: str, days: int | None) -> None:
    """Count pins: by day, person and chat, and what came of them."""
    answer = house.api.get(f"chat/pinFigures/{segment(instance)}", days=days)
    if house.as_json:
        return as_json(answer)
    rows = [["", "", *OUTCOMES], _row("all", "", answer["counts"])]
    for kind, name in (("day", "days"), ("person", "people"), ("chat", "chats")):
        # Days without any are many.
        found = [row for row in answer[name] if any(row[outcome] for outcome in OUTCOMES)]
        rows += [_row(kind, row.get("day") or row["name"], row) for row in found]
    return table(rows)


def _row(kind: str, name: str, counts: dict[str, Any]) -> list[str]:
    return [kind, name, *(str(counts[outcome]) for outcome in OUTCOMES)]


@click.command("pin-history")
@INSTANCE
@click.argument("message_id")
@CHAT
@LIMIT
@CURSOR
@pass_house
def pin_history(house: House, /, instance: str, message_id: str, chat: str | None, **asked: Any) -> None:
    """Show all that happened to one message's pin, newest first."""
    answer = house.api.get(f"chat/pinHistory/{segment(instance)}", messageId=message_id, chatJid=chat, **asked)
    if house.as_json:
        return as_json(answer)
    rows = [
        [
            when(one["at"]),
            "pin" if one["pinning"] else "unpin",
            one["change"],
            one["byName"] or one["by"],
            one["detail"] or "",
        ]
        for one in answer["lines"]
    ]
    table(rows)
    return more(answer)
