"""`portal-cli` without a portal: where its token comes from, what it prints, how it fails (more: `e2e/test_cli.py`)."""

import json
import re
import resource
import shlex
import stat
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chats.search.query import FLAGS
from portal.cli.command import main
from portal.cli.failure import code_of
from portal.cli.output import as_json, clean
from portal.cli.times import typed
from tests.portal_cli import Cli
from tests.portal_process import ROOT

pytestmark = pytest.mark.sqlite_only


class Portal(HTTPServer):
    """Answers everything with what a test put there, and notes the tokens it was shown and the bodies it was sent."""

    status, headers, body = 200, {"X-Nothing": "0"}, b'{"success": true, "instances": []}'

    def __init__(self) -> None:
        self.tokens: list[str | None] = []
        self.bodies: list[dict[str, object]] = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Portal

    def do_GET(self) -> None:
        self.server.tokens.append(self.headers["token"])
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def portal() -> Iterator[Portal]:
    with Portal() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cli(tmp_path: Path, portal: Portal) -> Cli:
    return Cli(tmp_path, portal.url)


def keep_token(cli: Cli, token: str, mode: int = 0o600) -> Path:
    path = cli.cwd / ".config" / "portal-cli" / "token"
    path.parent.mkdir(parents=True)
    path.write_text(token + "\n")
    path.chmod(mode)
    return path


def test_it_loads_no_django_and_starts_fast(cli: Cli) -> None:
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        cli.ok("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Of the processor, not of the clock: other tests may run beside this one. The first may have compiled it, and
    # another child may have ended meanwhile. It is 0.17 where Django alone would take a second or more.
    assert min(took) < 0.6, took
    program = "import sys, portal.cli.command; print([name for name in sys.modules if name in ('django', 'segno')])"
    done = subprocess.run([sys.executable, "-c", program], env=cli.environment, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_where_the_token_comes_from(cli: Cli, portal: Portal) -> None:
    code, _, err = cli.run("instances", "list")
    assert code == 3
    assert err.startswith("No token. Write it into ")
    kept = keep_token(cli, "kept")
    cli.ok("instances", "list")
    other = cli.cwd / "other"
    other.write_text("other")
    other.chmod(0o600)
    cli.environment["PORTAL_TOKEN_FILE"] = str(other)
    cli.ok("instances", "list")
    cli.environment["PORTAL_TOKEN"] = "environment"
    cli.ok("instances", "list")
    cli.ok("--token-file", str(kept), "instances", "list")
    cli.ok("--token-file", "-", "instances", "list", typed="typed\n")
    cli.ok("--token", "argument", "--token-file", str(kept), "instances", "list")
    assert portal.tokens == ["kept", "other", "environment", "kept", "typed", "argument"]


def test_a_token_others_may_read(cli: Cli) -> None:
    path = keep_token(cli, "kept", 0o644)
    assert cli.run("instances", "list")[2] == f"Others may read your token: chmod 600 {path}\n"
    path.chmod(stat.S_IRUSR)
    assert cli.run("instances", "list")[2] == ""


def test_a_token_file_that_is_not_there(cli: Cli) -> None:
    code, _, err = cli.run("--token-file", "nowhere", "instances", "list")
    assert (code, "nowhere" in err) == (3, True)


def test_nothing_answers(tmp_path: Path) -> None:
    code, out, err = Cli(tmp_path, token="x").run("instances", "list")
    assert (code, out) == (6, "")
    assert err.startswith("No portal could be reached at http://127.0.0.1:9: ")


@pytest.mark.parametrize("body", [b"<h1>Welcome to nginx</h1>", b"[]", b'{"success": false}', b"\xff"])
def test_something_else_answers(cli: Cli, portal: Portal, body: bytes) -> None:
    portal.body = body
    code, _, err = cli.run("--token", "x", "instances", "list")
    assert (code, err) == (6, f"What answers at {portal.url} is no portal (HTTP 200). Is the address right?\n")


def test_a_redirect_does_not_get_the_token(cli: Cli, portal: Portal) -> None:
    portal.status, portal.headers = 302, {"Location": f"{portal.url}/elsewhere"}
    assert cli.run("--token", "x", "instances", "list")[0] == 6
    assert portal.tokens == ["x"]


@pytest.mark.parametrize("url", ["localhost:8000", "file:///etc/passwd", "ftp://x", ""])
def test_what_is_no_address(cli: Cli, url: str) -> None:
    code, _, err = cli.run("--url", url, "--token", "x", "instances", "list")
    assert (code, "is no address" in err) == (2, True)


def test_exit_codes_of_statuses() -> None:
    codes = {400: 1, 401: 3, 403: 3, 404: 4, 409: 1, 429: 7, 500: 5, 502: 5, 503: 5, 504: 8}
    assert {status: code_of(status) for status in codes} == codes


def test_an_error_is_the_apis_sentence(cli: Cli, portal: Portal) -> None:
    sentence = "Rate limit exceeded. Try again later."
    portal.status, portal.body = 429, json.dumps({"success": False, "error": {"message": sentence}}).encode()
    assert cli.run("--token", "x", "instances", "list") == (7, "", f"{sentence}\n")
    assert cli.run("--token", "x", "--json", "instances", "list") == (7, "", f"{sentence}\n")


def test_a_pin_that_no_second_try_makes_right(cli: Cli, portal: Portal) -> None:
    """`pinMessage` answers 500, as the API does that it is compatible with; a script would try again for ever."""
    for sentence, code in (
        ("message with ID 3EB0 not found", 4),
        ('invalid duration "3d": use "24h", "7d" or "30d"', 1),
        ("WhatsApp client is not connected", 5),
    ):
        portal.status, portal.body = 500, json.dumps({"success": False, "error": {"message": sentence}}).encode()
        assert cli.run("--token", "x", "pin", "shop", "3EB0", "--for", "3d") == (code, "", f"{sentence}\n")


def test_nothing_found_says_so(cli: Cli, portal: Portal) -> None:
    answer = {"success": True, "messages": [], "suggestion": None, "hasMore": False, "next": None}
    portal.body = json.dumps(answer).encode()
    assert cli.run("--token", "x", "search", "shop", "gate") == (0, "", "Nothing is found.\n")
    portal.body = json.dumps({**answer, "suggestion": "price"}).encode()
    assert cli.run("--token", "x", "search", "shop", "prise") == (0, "", "Nothing is found. Did you mean: price\n")
    portal.body = json.dumps({**answer, "hasMore": True, "next": "5"}).encode()
    assert cli.run("--token", "x", "search", "shop", "gate") == (0, "", "There is more: --cursor 5\n")


def test_the_shell_completes_instances(cli: Cli, portal: Portal) -> None:
    portal.body = b'{"success": true, "instances": [{"instanceName": "shop"}, {"instanceName": "desk"}]}'
    cli.environment |= {
        "_PORTAL_CLI_COMPLETE": "bash_complete", "COMP_WORDS": "portal-cli search s", "COMP_CWORD": "2",
        "PORTAL_TOKEN": "x",
    }  # fmt: skip
    assert cli.ok() == "plain,shop\n"


@pytest.mark.parametrize("line", [("--json", "instances", "list"), ("instances", "list", "--json")])
def test_json_before_the_command_or_after_it(portal: Portal, cli: Cli, line: tuple[str, ...]) -> None:
    code, out, _ = cli.run("--token", "x", *line)
    assert (code, json.loads(out)) == (0, json.loads(Portal.body))


def test_times_that_are_typed_are_the_terminals_own(portal: Portal, cli: Cli) -> None:
    """Was red: they are printed in its zone, and were read in UTC."""
    cli.environment |= {"TZ": "America/Sao_Paulo", "PORTAL_TOKEN": "x"}
    portal.body = b'{"success": true, "schedule": {"id": "0b8e"}}'
    add = ("--json", "schedules", "add", "shop", "3EB0", "--for", "24h")
    window = ("--from", "2026-12-24T18:00", "--to", "2026-12-25T00:00Z")
    cli.ok("--json", "history", "shop", "5511999999999", *window)
    cli.ok(*add, "--at", "2026-12-24T18:00", "--until", "2026-12-31")
    cli.ok(*add, "--unpin-at", "2026-12-24 18:00:30")
    cli.ok(*add, "--at", "2026-12-24T18:00", "--zone", "Europe/Lisbon")
    cli.ok(*add, "--at", "at six", "--until", "stopped")
    names = ("from", "to", "pinAt", "unpinAt", "until", "timeZone")
    assert [{name: body[name] for name in names if name in body} for body in portal.bodies] == [
        {"from": "2026-12-24T18:00:00-03:00", "to": "2026-12-25T00:00Z"},
        {"pinAt": "2026-12-24T18:00:00-03:00", "until": "2026-12-31T00:00:00-03:00"},
        {"unpinAt": "2026-12-24T18:00:30-03:00"},
        {"pinAt": "2026-12-24T18:00", "timeZone": "Europe/Lisbon"},
        {"pinAt": "at six", "until": "stopped"},
    ]


def test_a_year_that_no_zone_reaches() -> None:
    for text in ("0001-01-01T00:00", "9999-12-31T23:59:59"):
        assert typed(text)


def test_the_filters_that_help_names_are_there() -> None:
    """Was red: it named one for links, which there is none of."""
    said = CliRunner().invoke(main, ["search", "--help"]).output
    named = re.findall(r"\b(is|has):(\w+)", said)
    assert named
    assert set(named) <= FLAGS


@given(st.text())
def test_no_message_steers_the_terminal(text: str) -> None:
    for character in clean(text):
        assert character == "\N{ZERO WIDTH JOINER}" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}
    assert clean("\x1b]0;owned\x07 \x9b31m a\u202eb\n\nc") == "\ufffd]0;owned\ufffd \ufffd31m a\ufffdb c"
    assert clean("família 👩‍👧 olá") == "família 👩‍👧 olá"


@given(st.text())
def test_json_says_the_same_and_steers_nothing(text: str) -> None:
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("click.echo", printed.append)
        as_json({"text": text, "é": 1})
    assert json.loads(printed[0]) == {"text": text, "é": 1}
    assert "é" in printed[0]
    assert not any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 or one == "\u202e" for one in printed[0])


def test_the_lines_of_the_documentation() -> None:
    """Each names a command and options that are there, and no command is left out."""
    block = re.search(r"```\n(portal-cli instances list.*?)```", (ROOT / "docs/cli.md").read_text(), re.DOTALL)[1]  # type: ignore[index]
    named = set()
    for line in re.findall(r"portal-cli ([^|\n]+)", block):
        arguments = shlex.split(line, comments=True)
        done = CliRunner().invoke(main, [*arguments, "--help"])
        assert done.exit_code == 0, (line, done.output)
        named.add(arguments[0])
    assert named == set(main.commands)
