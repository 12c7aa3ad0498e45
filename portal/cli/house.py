"""Which portal, and with which token: from options, the environment or a file."""

import stat
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from portal.cli.api import Api
from portal.cli.failure import NOT_ALLOWED, Failure
from portal.cli.output import as_json, clean

URL = "http://localhost:8000"


def token_path() -> Path:
    """Where the token is kept for every day: a file that only its owner may read."""
    return Path(click.get_app_dir("portal-cli")) / "token"


class House:
    """What every command gets: the API when it needs it, and how to print."""

    def __init__(self, url: str, token: str | None, token_file: Path | None, as_json: bool) -> None:
        self.url, self.as_json = url, as_json
        self._token, self._token_file = token, token_file

    @property
    def api(self) -> Api:
        """The portal's API. Raises Failure when no token is given."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise click.UsageError(f"{self.url} is no address: write it like {URL}")
        return Api(self.url, self._token.strip() if self._token else self._from_file())

    def tell(self, answer: object, line: str) -> None:
        """Print the API's answer as it came, for programs, or this line of it, for people."""
        as_json(answer) if self.as_json else click.echo(clean(line))

    def _from_file(self) -> str:
        path = self._token_file or token_path()
        if str(path) == "-":
            return sys.stdin.readline().strip()
        try:
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            if self._token_file is None and isinstance(error, FileNotFoundError):
                raise Failure(
                    f"No token. Write it into {path}, or name another file with --token-file or PORTAL_TOKEN_FILE, "
                    "or set PORTAL_TOKEN.",
                    NOT_ALLOWED,
                ) from None
            raise Failure(f"The token's file cannot be read: {error}", NOT_ALLOWED) from None
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            click.echo(f"Others may read your token: chmod 600 {path}", err=True)
        return token


pass_house = click.make_pass_decorator(House)
