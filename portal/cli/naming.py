"""The argument that names an instance, which a shell completes by asking the portal."""

import click

from portal.cli.api import Api
from portal.cli.house import House


def _instances(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    # The shell has run no callback: the options stand in the root's parameters.
    given = context.find_root().params
    try:
        house = House(given["url"], given["token"], given["token_file"], False)
        api: Api = house.api
        found = api.get("instance/list")["instances"]
    except Exception:  # A shell that completes has no place for a complaint.
        return []
    return [one["instanceName"] for one in found if one["instanceName"].startswith(begun)]


INSTANCE = click.argument("instance", shell_complete=_instances)
