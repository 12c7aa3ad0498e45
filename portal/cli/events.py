"""`portal-cli events`: what happens, as it happens, over the WebSocket."""

import json

import click

from portal.cli.api import segment
from portal.cli.failure import UNREACHABLE, Failure, code_of
from portal.cli.house import House, pass_house
from portal.cli.naming import INSTANCE
from portal.cli.output import as_json, clean, when


@click.command()
@INSTANCE
@click.option(
    "--only", multiple=True, metavar="KIND", help="message.pin, instance.state …; may be given several times."
)
@click.option("--count", type=click.IntRange(min=1), help="End after so many.")
@pass_house
def events(house: House, instance: str, only: tuple[str, ...], count: int | None) -> None:
    """Show events as they happen, until Ctrl-C. What happened before is not shown again."""
    # Loaded here alone: it takes longer than all the rest.
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
    from websockets.sync.client import connect

    api = house.api
    address = f"ws{api.url.removeprefix('http')}/ws/{segment(instance)}"
    if only:
        address += f"?events={segment(','.join(only))}"
    try:
        with connect(address, additional_headers=api.headers) as socket:
            click.echo(f"Listening to {clean(instance)}; Ctrl-C ends it.", err=True)
            for number, text in enumerate(socket, start=1):
                _show(house, json.loads(text))
                if number == count:
                    return
    except InvalidStatus as error:
        raise _refused(api.url, error.response.status_code, error.response.body) from None
    except (ConnectionClosed, WebSocketException, OSError) as error:
        raise Failure(f"The connection to {api.url} is gone: {error}", UNREACHABLE) from None
    raise Failure(f"The portal at {api.url} ended the connection. Connect again in a moment.", UNREACHABLE)


def _show(house: House, event: dict[str, object]) -> None:
    if house.as_json:
        return as_json(event)
    said = json.dumps(event.get("data"), ensure_ascii=False)
    return click.echo(f"{when(event.get('timestamp'))}  {clean(str(event.get('event')))}  {clean(said)}")


def _refused(url: str, status: int, body: bytes | bytearray | None) -> Failure:
    try:
        return Failure(str(json.loads(body or b"")["error"]["message"]), code_of(status))
    except (ValueError, KeyError, TypeError):
        return Failure(f"What answers at {url} has no events (HTTP {status}).", UNREACHABLE)
