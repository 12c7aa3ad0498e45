"""How the command ends when it does not end well: a sentence on stderr, and a code a script can act on."""

from typing import IO, Any

import click

REFUSED = 1
# 2 is click's own: the command line is wrong.
NOT_ALLOWED = 3
NOT_FOUND = 4
FAILED = 5
UNREACHABLE = 6
TOO_MANY = 7
UNKNOWN_OUTCOME = 8


class Failure(click.ClickException):
    """A sentence for people, and the exit code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click's is a class variable, for a class a code
        """The code, where click looks for it."""
        return self.code

    def show(self, file: IO[Any] | None = None) -> None:
        """The sentence alone: it says what is wrong."""
        click.echo(self.format_message(), file=file, err=file is None)


def code_of(status: int) -> int:
    """The exit code for the API's HTTP status."""
    if status in (401, 403):
        return NOT_ALLOWED
    # Sent, and the outcome not known: who tries again may do it twice.
    exact = {404: NOT_FOUND, 429: TOO_MANY, 504: UNKNOWN_OUTCOME}
    return exact.get(status, FAILED if status >= 500 else REFUSED)
