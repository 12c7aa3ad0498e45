"""`manage.py run`, with real processes: what it makes, what it keeps up, what it leaves behind."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nats
import pytest

from portal import arenas
from tests.portal_process import ROOT, PortalProcess, environment, free_port
from tests.processes import alive, descendants
from tests.test_arenas import places

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]

Start = Callable[..., PortalProcess]


def run_and_wait(data_dir: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A `manage.py run` that is expected to refuse."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "run"],
        env=environment(data_dir, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalProcess]:
    """A portal that several tests look at without stopping it."""
    folder = tmp_path_factory.mktemp("portal") / "data"
    (folder / ".backup-killed").mkdir(parents=True)
    portal = PortalProcess(folder)
    try:
        yield portal.wait_ready()
    finally:
        portal.stop()


def test_it_works(portal: PortalProcess) -> None:
    assert portal.get("/healthz") == (200, '{"status": "ok"}')
    assert f"The portal runs at http://localhost:{portal.port}/" in portal.out
    assert "createinstance" in portal.out


def test_what_a_killed_backup_left_is_cleared(portal: PortalProcess) -> None:
    assert not (portal.data_dir / ".backup-killed").exists()


def test_pages_have_their_static_files(portal: PortalProcess) -> None:
    with urllib.request.urlopen(f"{portal.url}/admin/") as sign_in:  # goes where the redirects lead
        assert sign_in.status == 200
    assert portal.get("/static/admin/css/base.css")[0] == 200


def test_the_server_does_not_say_what_it_is(portal: PortalProcess) -> None:
    with urllib.request.urlopen(f"{portal.url}/healthz") as answer:
        assert answer.headers["Server"] is None


def test_nobody_else_can_read_the_data_folder(portal: PortalProcess) -> None:
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in portal.data_dir.rglob("*") if not path.is_symlink()}
    modes[portal.data_dir] = stat.S_IMODE(portal.data_dir.stat().st_mode)
    files = [path for path in modes if not path.is_dir()]
    assert {path.name for path in files} >= {"portal.sqlite3", "secret.key", "run.lock", "nats.conf", "url"}
    # nats-server makes its own folders and files 0750 and 0640, inside of ours;
    # static files are public.
    ours = {path: mode for path, mode in modes.items() if not {"jetstream", "static"} & set(path.parts)}
    assert {path: oct(mode) for path, mode in ours.items() if mode & 0o077} == {}


def test_secrets_are_on_no_command_line(portal: PortalProcess) -> None:
    token = (portal.data_dir / "nats" / "url").read_text().removeprefix("nats://").partition("@")[0]
    assert len(token) > 30
    command_lines = " ".join(word for command in descendants(portal.process.pid).values() for word in command)
    assert token not in command_lines
    assert token not in portal.out + portal.err


def test_nats_tidies_its_memory_often(portal: PortalProcess) -> None:
    told = Path(f"/proc/{portal.pids()['nats']}/environ").read_bytes().split(b"\0")
    assert b"GOGC=50" in told


def test_threads_share_their_memory(portal: PortalProcess) -> None:
    pids = {"run": portal.process.pid, **portal.pids()}
    found = {name: places(Path(f"/proc/{pid}/maps").read_text()) for name, pid in pids.items() if name != "nats"}
    assert len(found) == 4
    # The heap of the library's Go may begin at such a place too, by chance.
    assert {name: count for name, count in found.items() if count > arenas.ARENAS + 1} == {}


def test_nats_refuses_who_does_not_know_the_token(portal: PortalProcess) -> None:
    url = (portal.data_dir / "nats" / "url").read_text()
    stranger = f"nats://127.0.0.1:{url.rpartition(':')[2]}"

    async def reach(address: str) -> None:
        connection = await nats.connect(address, allow_reconnect=False, connect_timeout=5)
        await connection.close()

    # On another thread: the browser's driver leaves a running loop on this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, reach(url)).result()
        refused = thread.submit(asyncio.run, reach(stranger))
        with pytest.raises(Exception, match=r"(?i)authorization"):
            refused.result()


def test_a_second_run_is_refused(portal: PortalProcess) -> None:
    second = run_and_wait(portal.data_dir, PORT=str(free_port()))
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.endswith(
        f"CommandError: The portal already runs on this data folder (process {portal.process.pid}). "
        "Stop it first, or choose another folder with DATA_DIR.\n"
    )


def test_a_taken_port_is_said(portal: PortalProcess, tmp_path: Path) -> None:
    second = run_and_wait(tmp_path, PORT=str(portal.port))
    assert second.returncode == 1
    assert f"Port {portal.port} is taken by another program." in second.stderr


def test_commands_work_from_a_second_terminal(portal: PortalProcess) -> None:
    made = portal.manage("createinstance", "sales")
    assert made.returncode == 0, made.stderr
    token = portal.manage("createtoken", "--instance", "sales").stdout.strip()
    status, body = portal.post("/api/chat/pinMessage/sales", {"pin": True, "messageId": "X", "duration": "7d"}, token)
    assert (status, body) == (500, {"success": False, "error": {"message": "message with ID X not found"}})


@pytest.mark.parametrize("name", ["connector", "web", "worker", "nats"])
def test_a_process_that_dies_comes_back(portal: PortalProcess, name: str) -> None:
    portal.wait_for(lambda: name in portal.pids())
    before = portal.pids()[name]
    os.kill(before, signal.SIGKILL)
    assert portal.get("/healthz")[0] == 200  # also while the web process itself is away: the socket waits for it
    portal.wait_for(lambda: portal.pids().get(name, before) != before, seconds=90)
    assert f"{name} was ended by SIGKILL; it starts again in" in portal.err


def test_ctrl_c_leaves_nothing_and_the_password_is_shown_once(start_portal: Start) -> None:
    first = start_portal().wait_ready()
    pids = descendants(first.process.pid)
    assert {"web", "connector", "worker", "nats"} >= set(first.pids())
    assert first.password is not None
    assert first.stop(signal.SIGINT) == 0
    assert [pid for pid in pids if alive(pid)] == []
    assert not (first.data_dir / "nats" / "url").exists()

    second = start_portal().wait_ready()
    assert second.password is None
    assert first.password not in second.out + second.err
    assert second.stop(signal.SIGTERM) == 0


def test_the_password_opens_the_administration(portal: PortalProcess) -> None:
    check = (
        "from django.contrib.auth.models import User; import sys;"
        "user = User.objects.get(username='admin', is_superuser=True, is_staff=True, is_active=True);"
        "print(user.check_password(sys.stdin.read()))"
    )
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", check],
        env=portal.environment,
        input=portal.password,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "True", done.stderr


def test_a_killed_supervisor_leaves_nothing_and_the_next_starts_at_once(start_portal: Start) -> None:
    first = start_portal().wait_ready()
    pids = descendants(first.process.pid)
    assert len(pids) >= 2
    first.process.kill()
    first.process.wait()
    second = start_portal(port=first.port).wait_ready()
    assert [pid for pid in pids if alive(pid)] == []
    assert second.get("/healthz")[0] == 200


def test_several_web_processes_need_a_shared_cache(tmp_path: Path) -> None:
    refused = run_and_wait(tmp_path, WEB_PROCESSES="2", PORT=str(free_port()))
    assert refused.returncode == 1
    assert "WEB_PROCESSES=2 needs a shared cache" in refused.stderr


def test_several_web_processes_with_a_shared_cache(start_portal: Start, cache_url: str) -> None:
    portal = start_portal(WEB_PROCESSES="2", CACHE_URL=cache_url).wait_ready()
    portal.wait_for(lambda: "web 2" in portal.err)
    assert portal.get("/healthz")[0] == 200


def test_a_second_web_process_by_hand_is_refused_too(portal: PortalProcess) -> None:
    refused = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "web"],
        env=environment(portal.data_dir, PORT=str(free_port())),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "Set CACHE_URL to a Valkey or Redis first." in refused.stderr


@pytest.mark.parametrize("text", ["web", "0", "70000", "-1", "²"])
def test_a_port_that_is_none_is_said(tmp_path: Path, text: str) -> None:
    refused = run_and_wait(tmp_path, PORT=text)
    assert refused.returncode == 1
    assert refused.stderr.endswith(f"CommandError: PORT is {text!r}, and must be a number from 1 to 65535.\n")


def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    url = f"postgres://somebody:geheim@127.0.0.1:{free_port()}/portal"
    refused = run_and_wait(tmp_path, DATABASE_URL=url, PORT=str(free_port()))
    assert refused.returncode == 1
    assert "The database cannot be used" in refused.stderr
    assert "geheim" not in refused.stderr
    assert "Traceback" not in refused.stderr
