"""The command and its options. What a command does stands beside its kind."""

from pathlib import Path

import click
from click.core import ParameterSource

from portal.cli import batches, events, figures, instances, messages, rules, schedules
from portal.cli.house import URL, House

EPILOG = """\b
Exit codes
  0  done                               5  WhatsApp or the portal could not (5xx)
  1  refused: ask differently (4xx)     6  no portal reached
  2  the command line is wrong          7  too many requests: wait (429)
  3  no token, or it may not (401, 403) 8  sent, outcome unknown (504)
  4  not found (404)
"""


def _version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    # Asked for here alone: it takes as long to load as all the rest.
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"portal-cli {version('whatsapp-portal')}")
    except PackageNotFoundError:
        click.echo("portal-cli, run from its source")
    context.exit()


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--url", envvar="PORTAL_URL", default=URL, show_default=True, help="The portal.  [env: PORTAL_URL]")
@click.option(
    "--token-file",
    envvar="PORTAL_TOKEN_FILE",
    type=click.Path(path_type=Path),
    help="Read the token from this file; - is standard input.  [env: PORTAL_TOKEN_FILE]",
)
@click.option(
    "--token", envvar="PORTAL_TOKEN", help="The token; others see it in ps.  [env: PORTAL_TOKEN, which they don't]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the API's answers as they are.")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Say which one.")
@click.pass_context
def main(context: click.Context, url: str, token: str | None, token_file: Path | None, as_json: bool) -> None:
    """Work with a WhatsApp portal from the terminal.

    The token is looked for in --token or PORTAL_TOKEN, then in the file of --token-file or PORTAL_TOKEN_FILE, then in
    ~/.config/portal-cli/token.
    """
    typed = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if "token_file" in typed and "token" not in typed:
        token = None  # What is typed counts before what the environment says.
    context.obj = House(url, token, token_file, as_json)


def _json_here(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.obj.as_json = True


def _also_after(command: click.Command) -> None:
    """`--json` is understood behind a command as well, where one adds it to a line typed before."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _also_after(inner)
    else:
        option = click.Option(["--json"], is_flag=True, expose_value=False, hidden=True, callback=_json_here)
        command.params.append(option)


for command in (
    instances.instances,
    events.events,
    schedules.schedules,
    batches.batches,
    rules.rules,
    figures.figures,
    figures.pin_history,
):
    main.add_command(command)
for one in ("search", "chats", "history", "pins", "pin", "unpin", "send"):
    main.add_command(getattr(messages, one))
_also_after(main)
