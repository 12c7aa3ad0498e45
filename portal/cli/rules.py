"""`portal-cli rules …`: which messages are pinned by themselves."""

from typing import Any

import click

from portal.cli.api import segment
from portal.cli.house import House, pass_house
from portal.cli.messages import CURSOR, DURATION, LIMIT, show_messages
from portal.cli.naming import INSTANCE
from portal.cli.output import as_json, more, table, when

RULE = click.argument("rule_id")


@click.group()
def rules() -> None:
    """Rules: which messages are pinned by themselves."""


@rules.command("list")
@INSTANCE
@pass_house
def listing(house: House, instance: str) -> None:
    """List the rules, the oldest first."""
    answer = house.api.get(f"chat/rules/{segment(instance)}")
    if house.as_json:
        return as_json(answer)
    rows = [
        [
            one["id"],
            "on" if one["active"] else "off",
            one["name"],
            one["trigger"],
            one["words"] or "",
            ", ".join(person.partition("@")[0] for person in one["people"]),
            one["chatJid"] or "",
            one["duration"],
            f"{one['anHour']} an hour",
        ]
        for one in answer["rules"]
    ]
    return table(rows)


@rules.command()
@INSTANCE
@click.argument("name")
@click.argument("trigger", type=click.Choice(("message", "hashtag", "reaction")))
@click.argument("words", required=False)
@click.option("--by", "people", multiple=True, help="Who writes or reacts: a number, a JID or me; several times.")
@click.option("--chat", help="Only in this chat: a phone number or JID.")
@DURATION
@click.option("--an-hour", type=click.IntRange(1, 100), help="No more than so many.  [default: 10]")
@pass_house
def add(house: House, /, instance: str, people: tuple[str, ...], an_hour: int | None, **wanted: str | None) -> None:
    """Add a rule, switched off. Prints its id; `rules preview` shows what it would have pinned.

    WORDS are words that stand in the message in this order, the hashtag, or the emoji.
    """
    answer = house.api.post(f"chat/addRule/{segment(instance)}", people=list(people) or None, anHour=an_hour, **wanted)
    house.tell(answer, answer["rule"]["id"])


@rules.command()
@INSTANCE
@RULE
@pass_house
def preview(house: House, instance: str, rule_id: str) -> None:
    """Show what a rule would have pinned of the last 30 days. Nothing is sent."""
    answer = house.api.post(f"chat/previewRule/{segment(instance)}", ruleId=rule_id)
    if house.as_json:
        return as_json(answer)
    words = f"{answer['found']} of {answer['lookedAt']} messages; {answer['busiestHour']} in the busiest hour."
    click.echo(words, err=True)
    return show_messages(answer["messages"])


@rules.command()
@INSTANCE
@RULE
@pass_house
def on(house: House, instance: str, rule_id: str) -> None:
    """Switch a rule on, for what comes from now on."""
    _switch(house, instance, rule_id, True)


@rules.command()
@INSTANCE
@RULE
@pass_house
def off(house: House, instance: str, rule_id: str) -> None:
    """Switch a rule off. What it pinned stays pinned."""
    _switch(house, instance, rule_id, False)


def _switch(house: House, instance: str, rule_id: str, active: bool) -> None:
    answer = house.api.post(f"chat/switchRule/{segment(instance)}", ruleId=rule_id, active=active)
    house.tell(answer, answer["message"])


@rules.command()
@INSTANCE
@RULE
@pass_house
def delete(house: House, instance: str, rule_id: str) -> None:
    """Delete a rule and the list of what it found. The pins stay."""
    answer = house.api.call("DELETE", f"chat/deleteRule/{segment(instance)}", id=rule_id)
    house.tell(answer, answer["message"])


@rules.command()
@INSTANCE
@RULE
@LIMIT
@CURSOR
@pass_house
def hits(house: House, /, instance: str, rule_id: str, **asked: Any) -> None:
    """Show what a rule found, and what came of each, the newest first."""
    answer = house.api.get(f"chat/ruleHits/{segment(instance)}", id=rule_id, **asked)
    if house.as_json:
        return as_json(answer)
    rows = [[one["messageId"], one["state"], when(one["foundAt"]), one["detail"] or ""] for one in answer["hits"]]
    table(rows)
    return more(answer)
