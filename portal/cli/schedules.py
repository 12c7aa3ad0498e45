"""`portal-cli schedules …`: pins for later, again and again, or for longer."""

from typing import Any

import click

from portal.cli.api import segment
from portal.cli.house import House, pass_house
from portal.cli.messages import CHAT, CURSOR, LIMIT
from portal.cli.naming import INSTANCE
from portal.cli.output import as_json, more, table, when
from portal.cli.times import typed

STATES = ("waiting", "done", "missed", "failed", "unknown", "cancelled", "all")


@click.group()
def schedules() -> None:
    """Plan pins: later, again and again, or for longer."""


@schedules.command("list")
@INSTANCE
@click.option("--message", help="Of one message: its id.")
@click.option("--state", type=click.Choice(STATES), help="In which state.  [default: waiting]")
@LIMIT
@CURSOR
@pass_house
def show(house: House, /, instance: str, message: str | None, **asked: Any) -> None:
    """List what is planned, the newest first."""
    answer = house.api.get(f"chat/schedules/{segment(instance)}", messageId=message, **asked)
    if house.as_json:
        return as_json(answer)
    table([_row(one) for one in answer["schedules"]])
    more(answer)


@schedules.command()
@INSTANCE
@click.argument("message_id")
@click.option("--at", help="Pin at this time (ISO 8601); without it and --repeat at once.")
@click.option("--unpin-at", help="Unpin at this time, and nothing else.")
@click.option("--repeat", metavar="CRON", help="Pin each time: '0 9 * * 1-5'.")
@click.option("--zone", help="Of times that name none, and of --repeat.  [default: the terminal's; --repeat: UTC]")
@click.option("--for", "duration", help="24h, 7d or 30d.")
@click.option("--until", help="Keep it pinned until this time, or until somebody stops it: stopped.")
@CHAT
@pass_house
def add(house: House, /, instance: str, message_id: str, **wanted: str | None) -> None:
    """Plan a pin. Prints the schedule's id."""
    if wanted["zone"] is None:
        wanted |= {name: typed(wanted[name]) for name in ("at", "unpin_at", "until")}
    names = {"at": "pinAt", "unpin_at": "unpinAt", "zone": "timeZone", "chat": "chatJid"}
    body = {names.get(name, name): value for name, value in wanted.items()}
    answer = house.api.post(f"chat/schedulePin/{segment(instance)}", messageId=message_id, **body)
    house.tell(answer, answer["schedule"]["id"])


@schedules.command()
@INSTANCE
@click.argument("schedule_id")
@pass_house
def cancel(house: House, instance: str, schedule_id: str) -> None:
    """Let nothing more come of it; what is pinned stays pinned."""
    answer = house.api.post(f"chat/cancelSchedule/{segment(instance)}", scheduleId=schedule_id)
    house.tell(answer, answer["message"])


def _row(one: dict[str, Any]) -> list[str]:
    what = one["next"] or one["last"] or ""
    # What is over says why it came to nothing.
    said = f"{one['lastOutcome'] or one['state']} {one['lastDetail'] or ''}" if one["state"] != "waiting" else ""
    lasting = one["duration"] or ("" if one["until"] is None else f"until {_until(one['until'])}")
    cells = [one["repeat"] or "", lasting, said.strip(), one["message"]["messageId"], one["message"]["text"]]
    return [one["id"], one["state"], what, when(one["nextAt"] or one["lastAt"]), *cells]


def _until(until: str) -> str:
    return until if until == "stopped" else when(until)
