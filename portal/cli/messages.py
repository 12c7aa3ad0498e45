"""Commands about messages: search, chats, history, pins, pin, unpin, send."""

import sys
from typing import Any

import click

from portal.cli.api import segment
from portal.cli.failure import NOT_FOUND, REFUSED, Failure
from portal.cli.house import House, pass_house
from portal.cli.naming import INSTANCE
from portal.cli.output import as_json, clean, more, table, when
from portal.cli.times import typed

LIMIT = click.option("--limit", type=click.IntRange(1, 500), help="How many.  [default: 50]")
CURSOR = click.option("--cursor", help="Go on where the answer before ended.")
CHAT = click.option("--chat", help="Names the chat when the id stands in several.")
DURATION = click.option("--for", "duration", default="7d", show_default=True, help="24h, 7d or 30d.")
# As `chats.errors` has them, which needs Django.
NO_MESSAGE, NO_DURATION = "message with ID {} not found", "invalid duration "
STATES = ("pinned", "requested", "unpinned", "expired", "replaced", "failed", "unknown", "all")


@click.command()
@INSTANCE
@click.argument("words", nargs=-1, required=True)
@LIMIT
@CURSOR
@pass_house
def search(house: House, instance: str, words: tuple[str, ...], limit: int | None, cursor: str | None) -> None:
    """Find messages, newest first.

    WORDS are words, phrases and filters as on the search page: portal-cli search shop '"gate code"' from:ana has:media
    """
    path = f"chat/search/{segment(instance)}"
    answer = house.api.get(path, q=" ".join(words), limit=limit, cursor=cursor)
    if house.as_json:
        return as_json(answer)
    show_messages(answer["messages"])
    if not answer["messages"] and not answer["hasMore"]:
        suggestion = f" Did you mean: {clean(answer['suggestion'])}" if answer["suggestion"] else ""
        click.echo(f"Nothing is found.{suggestion}", err=True)
    more(answer)


@click.command()
@INSTANCE
@click.argument("text", required=False)
@LIMIT
@CURSOR
@pass_house
def chats(house: House, instance: str, text: str | None, limit: int | None, cursor: str | None) -> None:
    """List chats, the one written in last first; TEXT is a part of the name or number."""
    answer = house.api.get(f"chat/list/{segment(instance)}", q=text, limit=limit, cursor=cursor)
    if house.as_json:
        return as_json(answer)
    table([[one["jid"], when(one["lastMessageAt"]), one["name"]] for one in answer["chats"]])
    more(answer)


@click.command()
@INSTANCE
@click.argument("number")
@LIMIT
@click.option("--from", "since", help="Not before this time (ISO 8601).")
@click.option("--to", "until", help="Not after this time (ISO 8601).")
@CURSOR
@pass_house
def history(house: House, /, instance: str, number: str, limit: int | None, cursor: str | None, **times: str) -> None:
    """Show the stored messages of a chat, newest first."""
    window = {"from": typed(times["since"]), "to": typed(times["until"])}
    body = {"number": number, "count": limit, "cursor": cursor, **window}
    answer = house.api.post(f"chat/history/{segment(instance)}", **body)
    if house.as_json:
        return as_json(answer)
    show_messages(answer["messages"])
    more(answer)


@click.command()
@INSTANCE
@click.option("--chat", help="Of one chat: a phone number or JID.")
@click.option("--state", type=click.Choice(STATES), help="In which state.  [default: pinned]")
@LIMIT
@CURSOR
@pass_house
def pins(house: House, /, instance: str, chat: str | None, **asked: Any) -> None:
    """List pins: what is pinned, by whom and until when."""
    answer = house.api.get(f"chat/pins/{segment(instance)}", number=chat, **asked)
    if house.as_json:
        return as_json(answer)
    rows = [
        [
            one["message"]["messageId"],
            one["state"],
            f"until {when(one['expiresAt'])}" if one["expiresAt"] else "",
            one["byName"] or one["by"],
            one["message"]["text"],
        ]
        for one in answer["pins"]
    ]
    table(rows)
    more(answer)


@click.command()
@INSTANCE
@click.argument("message_id")
@DURATION
@CHAT
@pass_house
def pin(house: House, instance: str, message_id: str, duration: str, chat: str | None) -> None:
    """Pin a message for everyone in its chat. Done when WhatsApp has acknowledged it."""
    _pin(house, instance, pin=True, messageId=message_id, duration=duration, chatJid=chat)


@click.command()
@INSTANCE
@click.argument("message_id")
@CHAT
@pass_house
def unpin(house: House, instance: str, message_id: str, chat: str | None) -> None:
    """Unpin a message for everyone in its chat."""
    _pin(house, instance, pin=False, messageId=message_id, chatJid=chat)


def _pin(house: House, /, instance: str, **body: Any) -> None:
    try:
        answer = house.api.post(f"chat/pinMessage/{segment(instance)}", **body)
    except Failure as failure:
        # Both are 500 there, as in the API it is compatible with; a script that tries again would never end.
        if failure.message == NO_MESSAGE.format(body["messageId"]):
            failure.code = NOT_FOUND
        elif failure.message.startswith(NO_DURATION):
            failure.code = REFUSED
        raise
    house.tell(answer, answer["message"])


@click.command()
@INSTANCE
@click.argument("number")
@click.argument("text")
@click.option("--quote", help="The id of the message this answers.")
@pass_house
def send(house: House, instance: str, number: str, text: str, quote: str | None) -> None:
    """Send a text to a phone number or a JID; `-` reads it from standard input. Prints the message's id."""
    text = sys.stdin.read() if text == "-" else text
    path = f"message/sendText/{segment(instance)}"
    answer = house.api.post(path, number=number, text=text, quotedId=quote)
    house.tell(answer, answer["message_id"])


def show_messages(messages: list[dict[str, Any]]) -> None:
    """Messages, one a line: id, time, sender, text."""
    table([[one["messageId"], when(one["timestamp"]), _sender(one), _said(one)] for one in messages])


def _sender(message: dict[str, Any]) -> str:
    return "me" if message["fromMe"] else message["senderName"] or message["senderJid"].partition("@")[0]


def _said(message: dict[str, Any]) -> str:
    if message["deletedAt"]:
        return "(deleted)"
    kind = "" if message["type"] == "text" else f"[{message['type']}] "
    return f"{kind}{message['text']}"
