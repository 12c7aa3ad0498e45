"""`portal-cli instances …`: the places of WhatsApp accounts."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from portal.cli.api import Api, segment
from portal.cli.failure import FAILED, Failure
from portal.cli.house import House, pass_house
from portal.cli.naming import INSTANCE
from portal.cli.output import as_json, clean, table

# A code lives for at least 20 seconds; 100 calls a minute are allowed.
LOOK_SECONDS = 2.0
LINK_PATIENCE_SECONDS = 30.0
# As `instances.states` and `instances.whatsapp.errors` have them, which need Django.
CODE_RAN_OUT = "The code ran out."
NOT_CONNECTED = "WhatsApp client is not connected"


@click.group()
def instances() -> None:
    """List, make, link, log out and delete instances; say for how long they keep messages."""


@instances.command("list")
@click.argument("names", nargs=-1)
@pass_house
def show(house: House, names: tuple[str, ...]) -> None:
    """List instances, all or those named, with their states."""
    answer = house.api.get("instance/list", instanceName=",".join(names) or None)
    if house.as_json:
        return as_json(answer)
    rows = [
        [one["instanceName"], one["state"], (one["numberJid"] or "").partition("@")[0], one["sentence"]]
        for one in answer["instances"]
    ]
    table(rows)


@instances.command()
@click.argument("name")
@click.option(
    "--save", type=click.Path(path_type=Path), help="Write its token into this new file instead of showing it."
)
@pass_house
def new(house: House, name: str, save: Path | None) -> None:
    """Make an instance. Its token is shown this once."""
    file = _new_file(save) if save else None
    try:
        answer = house.api.post("instance/new", name=name)
    except BaseException:
        if save:
            save.unlink()
        raise
    token = answer["instance"]["token"]
    if file is not None:
        os.write(file, f"{token}\n".encode())
        os.close(file)
        answer["instance"]["token"] = None
    if house.as_json:
        return as_json(answer)
    click.echo(f"{clean(name)} is made. Link a phone to it: portal-cli instances link {clean(name)}", err=True)
    if file is None:
        click.echo(token)


def _new_file(path: Path) -> int:
    """An empty file for its owner alone, before anything is made whose secret it is to hold."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be made: {error.strerror}") from None


@instances.command()
@INSTANCE
@click.option("--phone", help="Show a pairing code for this number, such as +5511999999999, not a QR code.")
@click.option("--timeout", type=float, default=180.0, show_default=True, help="Seconds to wait for the phone.")
@pass_house
def link(house: House, instance: str, phone: str | None, timeout: float) -> None:
    """Link a phone, by a QR code drawn here or by a pairing code."""
    api, limit = house.api, time.monotonic() + timeout
    answer = _connect(api, instance, phone, min(limit, time.monotonic() + LINK_PATIENCE_SECONDS))
    shown = None
    while answer["status"] != "linked":
        code = answer.get("pairingCode") or answer["qrCode"]
        if code != shown:
            shown = code
            _show(house, answer)
        _pause(limit)
        found = _look(api, instance)
        ended = found["state"] == "unlinked" and (phone or CODE_RAN_OUT not in found["sentence"])
        if ended or (phone and found["numberJid"]):
            break
        if phone is None:
            answer = api.get(f"instance/connect/{segment(instance)}")
    _await_connected(house, api, instance, limit)


def _connect(api: Api, instance: str, phone: str | None, limit: float) -> dict[str, Any]:
    """The first code. A connector that is starting needs a moment."""
    while True:
        try:
            return api.get(f"instance/connect/{segment(instance)}", number=phone)
        except Failure as failure:
            if failure.message != NOT_CONNECTED or time.monotonic() > limit:
                raise
        time.sleep(LOOK_SECONDS)


def _show(house: House, answer: dict[str, Any]) -> None:
    """A code, once: as JSON, or drawn with what to do on the phone (stderr: no script reads it)."""
    if house.as_json:
        return as_json(answer)
    if "pairingCode" in answer:
        click.echo(f"\n    {clean(answer['pairingCode'])}\n")
        click.echo("On the phone: Linked devices, Link a device, Link with phone number instead.", err=True)
        return None
    import segno

    click.echo("On the phone: Linked devices, Link a device. Point it at this code.", err=True)
    drawn = segno.make_qr(answer["qrCode"], error="l")
    drawn.terminal(sys.stdout, compact=True)
    sys.stdout.flush()  # Into a pipe as well: who waits for the code must see it now.
    return None


def _await_connected(house: House, api: Api, instance: str, limit: float) -> None:
    while (found := _look(api, instance))["state"] != "connected":
        if found["state"] == "unlinked":
            raise Failure(f"Nothing is linked. {found['sentence']}", FAILED)
        _pause(limit)
    if house.as_json:
        return as_json(found)
    click.echo(f"Linked to {clean(found['numberJid']).partition('@')[0]}. {clean(found['sentence'])}")
    return None


def _look(api: Api, instance: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get("instance/list", instanceName=instance)["instances"][0]
    return found


def _pause(limit: float) -> None:
    if time.monotonic() > limit:
        raise Failure("No phone came in time; nothing is linked. Run the command again for a new code.", FAILED)
    time.sleep(LOOK_SECONDS)


FOR_EVER = "forever"
# As the portal has them (`instances.models`), which is not loaded here.
MOST_KEEP_DAYS = 36_500
COUNTED = 100_000


def _days(text: str) -> int | str:
    """A number of days, or FOR_EVER."""
    if text == FOR_EVER:
        return text
    if text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= MOST_KEEP_DAYS:
        return int(text)
    raise click.BadParameter(f"a whole number from 1 to {MOST_KEEP_DAYS}, or {FOR_EVER}")


@instances.command()
@INSTANCE
@click.argument("days", type=_days, required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_house
def keep(house: House, instance: str, days: int | str | None, yes: bool) -> None:
    """Show for how many DAYS messages are kept, or change it: a number, or "forever".

    What is older is deleted from the portal, with its files, pins and plans, and cannot be brought back.
    """
    path = f"instance/settings/{segment(instance)}"
    if days is None:
        return _kept(house, house.api.get(path))
    if isinstance(days, int) and not yes and (older := house.api.get(path, keepDays=days)["wouldDelete"]):
        number = f"more than {COUNTED:,}" if older > COUNTED else f"{older:,}"
        click.confirm(
            f"Delete what is older than {days} days ({number} of the messages that are there now)? "
            "This cannot be undone.",
            abort=True,
            err=True,
        )
    # Not `post`, which leaves out what is None.
    return _kept(house, house.api.call("POST", path, {"keepDays": days if isinstance(days, int) else None}))


def _kept(house: House, answer: dict[str, Any]) -> None:
    days = answer["keepDays"]
    house.tell(answer, FOR_EVER if days is None else f"{days} days")


@instances.command()
@INSTANCE
@pass_house
def logout(house: House, instance: str) -> None:
    """Unlink the phone and delete the keys. Messages and pins stay."""
    _done(house, house.api.post(f"instance/logout/{segment(instance)}"))


@instances.command()
@INSTANCE
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_house
def delete(house: House, instance: str, yes: bool) -> None:
    """Delete an instance with all its messages, pins and tokens."""
    if not yes:
        click.confirm(f"Delete {instance} with all its messages, pins and tokens?", abort=True, err=True)
    _done(house, house.api.call("DELETE", f"instance/delete/{segment(instance)}"))


def _done(house: House, answer: dict[str, Any]) -> None:
    house.tell(answer, answer["message"])
