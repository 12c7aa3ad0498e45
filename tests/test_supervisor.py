"""The supervisor's parts: restarts, ends, locks, the launcher."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portal.supervisor import child, folder, loop
from portal.supervisor.child import Spec
from portal.supervisor.loop import Loop, WillNotStart
from tests.processes import alive

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.sqlite_only]


def python(code: str, name: str = "stub") -> Spec:
    return Spec(name, [sys.executable, "-c", code])


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(loop, "TICK_SECONDS", 0.02)


def test_a_process_that_keeps_ending_waits_longer_each_time(
    monkeypatch: pytest.MonkeyPatch, fast: None, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setattr(loop, "say", lambda name, line: said.append(line))
    portal = Loop()
    portal.start(python("raise SystemExit(3)"))
    with pytest.raises(WillNotStart, match="'stub' ends as soon as it starts"):
        portal.until(lambda: False, "stub", 60)
    portal.stop()
    assert said == [f"stub ended with code 3; it starts again in {delay} s" for delay in ("0.02", "0.04", "0.08")]


def test_the_delay_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "say", lambda name, line: None)
    watched = loop.Watched(python("raise SystemExit(3)"), ())
    watched.failures = 20
    while watched.due is None:
        watched.tick()
    assert watched.due - time.monotonic() <= loop.LONGEST_DELAY


def test_a_process_that_was_up_for_long_starts_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "say", lambda name, line: None)
    watched = loop.Watched(python("raise SystemExit(3)"), ())
    watched.failures = 20
    watched.started_at -= loop.HEALTHY_SECONDS + 1
    while watched.due is None:
        watched.tick()
    assert watched.due - time.monotonic() <= loop.FIRST_DELAY


def test_who_does_not_get_ready_is_named(fast: None) -> None:
    portal = Loop()
    portal.start(python("import time; time.sleep(60)"))
    with pytest.raises(WillNotStart, match=r"'stub' did not get ready within 0.2 seconds"):
        portal.until(lambda: False, "stub", 0.2)
    portal.stop()
    assert not alive(portal.watched[0].child.pid)


def test_who_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch, fast: None, tmp_path: Path) -> None:
    monkeypatch.setattr(loop, "STOP_SECONDS", 0.2)
    ready = tmp_path / "ready"
    portal = Loop()
    portal.start(
        python(
            "import signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
        )
    )
    portal.until(ready.exists, "stub", 50)
    portal.stop()
    assert portal.watched[0].child.ended() == "was ended by SIGKILL"


def test_they_end_in_reverse_order(fast: None, tmp_path: Path) -> None:
    order = tmp_path / "order"
    portal = Loop()
    for name in ("nats", "web"):
        code = (
            "import signal, sys, time\n"
            f"def end(*_):\n    time.sleep(0.2); open({str(order)!r}, 'a').write('{name} '); sys.exit()\n"
            f"signal.signal(signal.SIGTERM, end); open({str(tmp_path / name)!r}, 'w'); time.sleep(60)"
        )
        portal.start(python(code, name))
    portal.until(lambda: (tmp_path / "nats").exists() and (tmp_path / "web").exists(), "web", 50)
    portal.stop()
    assert order.read_text() == "web nats "


def test_lines_carry_the_name_of_their_process(capfd: pytest.CaptureFixture[str]) -> None:
    one = child.Child(python("print('hello'); import sys; print('world', file=sys.stderr)", "web"))
    while one.ended() is None:
        time.sleep(0.02)
    deadline = time.monotonic() + 60
    err = ""
    while "world" not in err and time.monotonic() < deadline:
        err += capfd.readouterr().err
    assert "web       | hello\n" in err
    assert "web       | world\n" in err


def test_a_lock_names_its_holder(tmp_path: Path) -> None:
    descriptor = folder.lock(tmp_path / "lock")
    with pytest.raises(folder.InUse) as error:
        folder.lock(tmp_path / "lock")
    assert error.value.holder == str(os.getpid())
    os.close(descriptor)
    os.close(folder.lock(tmp_path / "lock"))


def test_a_lock_is_held_until_the_last_child_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folder, "LEFT_OVER_SECONDS", 0.3)
    descriptor = folder.lock(tmp_path / "lock")
    left_over = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[descriptor])
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(gone.pid).encode(), 0)  # as if the supervisor had been killed
    os.close(descriptor)
    with pytest.raises(folder.InUse):
        folder.lock(tmp_path / "lock")
    left_over.kill()
    left_over.wait()
    os.close(folder.lock(tmp_path / "lock"))


def test_a_data_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    folder.prepare(tmp_path)
    assert oct(tmp_path.stat().st_mode & 0o777) == "0o700"


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_launched_program_dies_with_who_started_it(tmp_path: Path, platform: str) -> None:
    """Both ways: asked of the kernel, and by a watching process, as on systems that cannot be asked."""
    pid_file = tmp_path / "pid"
    program = tmp_path / "program.py"
    program.write_text(f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    launcher = tmp_path / "launcher.py"
    launcher.write_text(
        f"import sys, subprocess; sys.path.insert(0, {str(ROOT)!r}); sys.platform = {platform!r}\n"
        "from portal.supervisor import launch; launch.main(int(sys.argv[1]), sys.argv[2:])"
    )
    starter = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, {str(launcher)!r}, str(os.getpid()), sys.executable, {str(program)!r}])\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter])
    deadline = time.monotonic() + 50  # Less than they would live.
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    pid = int(pid_file.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)
