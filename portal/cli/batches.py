"""`portal-cli batches …`: many pins together."""

import sys
from typing import Any

import click

from portal.cli.api import segment
from portal.cli.house import House, pass_house
from portal.cli.messages import CHAT, CURSOR, DURATION, LIMIT
from portal.cli.naming import INSTANCE
from portal.cli.output import as_json, clean, more, table, when

STATES = ("running", "stopped", "done", "all")
ITEM_STATES = ("waiting", "done", "skipped", "failed", "unknown", "all")


@click.group()
def batches() -> None:
    """Pin, renew or unpin many messages together."""


@batches.command("list")
@INSTANCE
@click.option("--state", type=click.Choice(STATES), help="In which state.  [default: all]")
@LIMIT
@CURSOR
@pass_house
def listing(house: House, /, instance: str, **asked: Any) -> None:
    """List batches and how far each is, the newest first."""
    answer = house.api.get(f"chat/batches/{segment(instance)}", **asked)
    if house.as_json:
        return as_json(answer)
    table([_row(one) for one in answer["batches"]])
    more(answer)


@batches.command()
@INSTANCE
@click.argument("batch_id")
@click.option("--state", type=click.Choice(ITEM_STATES), help="Only messages in this state.  [default: all]")
@LIMIT
@CURSOR
@pass_house
def show(house: House, /, instance: str, batch_id: str, **asked: Any) -> None:
    """Show what came of each message of a batch."""
    answer = house.api.get(f"chat/batch/{segment(instance)}", id=batch_id, **asked)
    if house.as_json:
        return as_json(answer)
    click.echo("  ".join(clean(cell) for cell in _row(answer["batch"])), err=True)
    table([[one["messageId"], one["state"], when(one["at"]), one["detail"] or ""] for one in answer["items"]])
    more(answer)


@batches.command()
@INSTANCE
@click.argument("action", type=click.Choice(("pin", "renew", "unpin")))
@click.argument("message_ids", nargs=-1, required=True)
@DURATION
@CHAT
@pass_house
def start(house: House, /, instance: str, action: str, message_ids: tuple[str, ...], duration: str, chat: str) -> None:
    """Begin a batch. MESSAGE_IDS may be one `-`: they are read from standard input. Prints the batch's id."""
    ids = sys.stdin.read().split() if message_ids == ("-",) else list(message_ids)
    body = {"action": action, "messageIds": ids, "chatJid": chat, "duration": None if action == "unpin" else duration}
    answer = house.api.post(f"chat/pinMany/{segment(instance)}", **body)
    house.tell(answer, answer["batch"]["id"])


@batches.command()
@INSTANCE
@click.argument("batch_id")
@pass_house
def stop(house: House, instance: str, batch_id: str) -> None:
    """Send nothing more of it until it is resumed."""
    _move(house, f"chat/stopBatch/{segment(instance)}", batch_id)


@batches.command()
@INSTANCE
@click.argument("batch_id")
@pass_house
def resume(house: House, instance: str, batch_id: str) -> None:
    """Let it go on where it stopped, in the name of this token."""
    _move(house, f"chat/resumeBatch/{segment(instance)}", batch_id)


def _move(house: House, path: str, batch_id: str) -> None:
    answer = house.api.post(path, batchId=batch_id)
    house.tell(answer, answer["message"])


def _row(one: dict[str, Any]) -> list[str]:
    counts = one["counts"]
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count and name != "total")
    made = [when(one["createdAt"]), one["action"], one["duration"] or "", f"{counts['total']}: {told}"]
    return [one["id"], one["state"], *made, one["why"] or ""]
