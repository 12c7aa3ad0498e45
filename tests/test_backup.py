"""What a backup holds, and what a restore refuses. tests/e2e/test_backup.py links a phone."""

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from django.test import override_settings

from instances.whatsapp import pieces
from instances.whatsapp.events import Party
from portal.backups import drafts
from portal.backups.archive import Unreadable, Writer, extract
from tests.e2e.database import PortalDatabase, portal_database
from tests.e2e.scene import wait
from tests.portal_process import ROOT, environment
from tests.postgres_programs import path_with_programs


class House:
    """A portal that does not run: its data folder and its database."""

    def __init__(self, folder: Path, database: PortalDatabase) -> None:
        self.folder, self.database = folder, database

    def manage(self, *arguments: str, **more: str) -> str:
        """What a command says, whether it succeeds or not."""
        done = self.run(str(ROOT / "manage.py"), *arguments, **more)
        return done.stdout + done.stderr

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Python with the settings of this portal."""
        url = {"DATABASE_URL": self.database.url} if self.database.url else {}
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment(self.folder, PATH=path_with_programs(), **url, **more),
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A portal with an instance and a picture, and a backup of it beside its folder."""
    folder = tmp_path_factory.mktemp("house") / "data"
    with portal_database(folder) as database:
        made = House(folder, database)
        made.manage("migrate", "-v0")
        made.manage("createaccount", "Shop")
        made.manage("createinstance", "shop")
        (folder / "media" / "1").mkdir(parents=True)
        (folder / "media" / "1" / "7-abc").write_bytes(b"a picture")
        (folder / "media" / "1" / ".part-x").write_bytes(b"half a picture")
        with override_settings(DATA_DIR=folder):
            for own in (Party("5511999990001@s.whatsapp.net", "9001@lid"), Party("5511999990001@s.whatsapp.net")):
                pieces._write(UUID(int=0), own, b"a piece")
            pieces.Piece(pieces._write(UUID(int=0), Party(""), b"no piece")).put_aside()
        (folder / "history" / ("0" * 32) / "18.part").write_bytes(b"half a piece")
        (folder / "journal").mkdir()
        (folder / "journal" / "17-1.journal").write_bytes(b"a message")
        said = made.manage("backup", str(folder.with_name("backup")))
        assert "keep it where nobody else can read it" in said
        yield made


def begin(house: House) -> "subprocess.Popen[bytes]":
    """A backup to standard output, halted in the middle because nobody reads it."""
    before = set(house.folder.glob(".backup-*/draft"))
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "backup", "-"],
        env=environment(house.folder), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    wait(lambda: set(house.folder.glob(".backup-*/draft")) - before, 60, "the backup's draft")
    return process


@pytest.fixture
def backup(house: House) -> Path:
    return house.folder.with_name("backup")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[House]:
    with portal_database(tmp_path / "second") as database:
        yield House(tmp_path / "second", database)


def test_it_works(house: House, backup: Path, empty: House) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    said = empty.manage("restore", str(backup))
    assert "Restored what was there" in said
    assert "SECRET_KEY" not in said
    query = "SELECT a.name, i.name FROM instances_instance i JOIN instances_account a ON a.id = i.account_id"
    assert empty.database.rows(query) == [("Shop", "shop")]
    for name in ("secret.key", "sessions/place"):
        assert (empty.folder / name).read_text() == (house.folder / name).read_text()
    assert {path.name for path in empty.folder.glob("media/*/*")} == {"7-abc"}
    # WhatsApp gives each once.
    assert {path.name: path.read_bytes() for path in empty.folder.glob("history/*/*")} == {
        path.name: path.read_bytes() for path in house.folder.glob("history/*/*[!t]")
    }
    assert len(list(empty.folder.glob("history/*/*.history"))) == 2
    assert len(list(empty.folder.glob("history/*/*.damaged"))) == 1
    assert [path.read_bytes() for path in empty.folder.glob("journal/*")] == [b"a message"]
    assert {path.stat().st_mode & 0o077 for path in empty.folder.rglob("*")} == {0}, "nobody else may read any of it"
    # A new number follows those that are there (on PostgreSQL a sequence has to know).
    empty.manage("createinstance", "desk")
    # Once is enough.
    assert "nothing is written over" in empty.manage("restore", str(backup))
    assert len(empty.database.rows(query)) == 2


def test_keys_that_are_somewhere_else(house: House, tmp_path: Path) -> None:
    """Was red: made beside a web process it had no keys, and said nothing of it until all phones had to be linked."""

    def link(**fields: str) -> None:
        house.manage("shell", "-c", f"from instances.models import Instance; Instance.every.update(**{fields})")

    link(jid="5511900000001@s.whatsapp.net", key_store="elsewhere")
    try:
        said = house.manage("backup", str(tmp_path / "without"))
        assert "No backup was made: the keys of 1 linked instances are not where this command looks" in said
        assert list(tmp_path.iterdir()) == []
        assert "keep it where" in house.manage("backup", "--keys-elsewhere", str(tmp_path / "without"))
    finally:
        link(jid="", key_store="")


TOLD = """
from chats.intake import take_in
from instances.events import webhooks
from instances.events.kinds import GROUP as NOTICE, MESSAGE, PIN
from instances.events.models import OutgoingEvent
from instances.models import Instance
from instances.whatsapp.events import GroupChanged
from tests.test_intake import GROUP, START, action, arrived
webhooks.add(Instance.objects.get(name="shop"), "https://crm.example.com/", [MESSAGE, NOTICE, PIN])
shop = Instance.objects.get(name="shop")
pin = action("pin", "{name}", 1, data={{"pinning": True, "duration": 86400}})
notice = GroupChanged(GROUP, START, text="{name}", change={{"name": "{name}"}})
take_in(shop, [arrived("{name}"), pin, notice])
for event in OutgoingEvent.objects.all():
    print("told", event.kind, event.uid)
"""


def told(house: House, name: str) -> dict[str, str]:
    """A message of this id comes in, its pin and a group's notice: kind → id of each event."""
    said = house.manage("shell", "--no-imports", "-c", TOLD.format(name=name))
    found = dict(line.split()[1:] for line in said.splitlines() if line.startswith("told "))
    assert set(found) == {"message.exchange", "message.pin", "group.flow"}, said
    return found


def test_what_happens_after_a_restore_is_news(house: House, backup: Path, empty: House) -> None:
    """Was red: each had the id of what the lost portal had told since the backup, and receivers dropped it."""
    before = told(house, "OLD")
    assert "Restored what was there" in empty.manage("restore", str(backup))
    after = told(empty, "NEW")
    assert not set(before.values()) & set(after.values())


@pytest.mark.sqlite_only
def test_a_killed_backups_draft_is_cleared_and_a_running_ones_is_not(house: House, tmp_path: Path) -> None:
    copy = House(tmp_path / "data", house.database)
    shutil.copytree(house.folder, copy.folder)
    with closing(sqlite3.connect(copy.folder / "portal.sqlite3")) as database, database:
        # More than a pipe holds, and nothing that could be made smaller.
        database.execute("CREATE TABLE much AS SELECT randomblob(3000000) AS junk")
    killed = begin(copy)
    killed.kill()
    killed.communicate()
    (left,) = copy.folder.glob(".backup-*")
    (tmp_path / ".backup-of-mine").mkdir()
    running = begin(copy)
    try:
        assert not left.exists()
        (held,) = copy.folder.glob(".backup-*")
        assert "keep it where" in copy.manage("backup", str(tmp_path / "other"))
        assert list(copy.folder.glob(".backup-*")) == [held]
    finally:
        whole, _ = running.communicate()
    assert running.returncode == 0
    assert len(list(extract(io.BytesIO(whole), tmp_path / "out"))) >= 2
    assert list(copy.folder.glob(".backup-*")) == []
    assert (tmp_path / ".backup-of-mine").exists(), "where the backups are, others may keep things"


def test_a_killed_backups_file_is_cleared_and_a_running_ones_is_not(tmp_path: Path) -> None:
    program = """
import pathlib, sys, time
from portal.backups import drafts
with drafts.file(pathlib.Path(sys.argv[1])) as (draft, out):
    print(draft, flush=True)
    time.sleep(600)
"""
    names = []
    for name in ("a", "b"):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / name)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            names.append(Path(process.stdout.readline().strip()))
            assert names[-1].stat().st_mode & 0o777 == 0o600
            with drafts.file(tmp_path / "c") as (mine, _):
                assert {mine, names[-1]} == set(tmp_path.iterdir()), "the dead one's is gone, the living one's is there"
        finally:
            process.kill()
            process.communicate()
    with drafts.file(tmp_path / "c"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_was_cleared_before_it_was_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another backup looks between our making a draft and our locking it: we make another one."""
    real = drafts._hold
    cleared: list[Path] = []

    def hold(descriptor: int, path: Path) -> bool:
        if not cleared:
            cleared.append(path)
            drafts.clear(tmp_path)
        return real(descriptor, path)

    monkeypatch.setattr(drafts, "_hold", hold)
    with drafts.folder(tmp_path) as folder:
        assert folder != cleared[0]
        assert list(tmp_path.iterdir()) == [folder]


# `manage.py restore`, killed right before its Nth step: moving a file, a program of PostgreSQL's, the upgrade, the end.
KILLED = """
import os, sys
left = int(sys.argv.pop(1))

def step():
    global left
    left -= 1
    if left < 0:
        os._exit(9)

def audit(event, arguments):
    if event == "os.rename" and ".restore" in str(arguments[0]):
        step()
    elif event == "subprocess.Popen" and "pg_restore" in str(arguments[0]):
        step()
    elif event in ("shutil.rmtree", "os.remove") and ".restore" in str(arguments[0]):
        step()

def stepping(real):
    return lambda *arguments, **more: (step(), real(*arguments, **more))[1]

os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
import django
django.setup()
from portal.backups import restore
restore.call_command = stepping(restore.call_command)
restore._settle = stepping(restore._settle)
sys.addaudithook(audit)
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


def killed(house: House, step: int, backup: Path) -> bool:
    """Whether the restore was killed before it had taken so many steps; it succeeds else."""
    done = house.run("-c", KILLED, str(step), "restore", str(backup))
    assert done.returncode in (0, 9), done.stderr
    return done.returncode == 9


@pytest.mark.slow
def test_a_restore_that_is_killed_is_finished_by_the_next(house: House, backup: Path, empty: House) -> None:
    """Each next one gets a step further. Nothing starts meanwhile."""
    steps = 0
    while killed(empty, steps, backup):
        steps += 1
        assert (empty.folder / ".restore").exists() or (empty.folder / ".restore.json").exists() or steps == 1
    assert steps >= 10, "files, the database, the upgrade, the end"
    same = "SELECT a.name, i.name FROM instances_instance i JOIN instances_account a ON a.id = i.account_id"
    assert empty.database.rows(same) == [("Shop", "shop")]
    assert (empty.folder / "secret.key").read_text() == (house.folder / "secret.key").read_text()
    assert [path.read_bytes() for path in empty.folder.glob("journal/*")] == [b"a message"]
    assert not list(empty.folder.glob(".restore*"))
    assert "nothing is written over" in empty.manage("restore", str(backup))


def test_nothing_starts_on_half_a_portal(house: House, backup: Path, empty: House, tmp_path: Path) -> None:
    step, key = 5, (house.folder / "secret.key").read_text()
    while not (empty.folder / "secret.key").exists() or (empty.folder / "secret.key").read_text() != key:
        assert killed(empty, step, backup), "half of it is there"
        step += 1
    for command in ("migrate", "backup -", "run", "web", "connector", "worker"):
        assert "was begun and is not finished" in empty.manage(*command.split()), command
    house.manage("backup", "--no-media", str(tmp_path / "later"))
    said = empty.manage("restore", str(tmp_path / "later"))
    assert "The restore is not finished" in said
    assert "another backup" in said
    assert "Restored what was there" in empty.manage("restore", str(backup))


def test_another_key_is_told(backup: Path, empty: House) -> None:
    assert "SECRET_KEY is another one" in empty.manage("restore", str(backup), SECRET_KEY="x" * 50)


def test_what_is_damaged_leaves_nothing(backup: Path, empty: House, tmp_path: Path) -> None:
    whole = backup.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    assert "not a whole backup" in empty.manage("restore", str(tmp_path / "cut"))
    assert not (empty.folder / "portal.sqlite3").exists()
    assert not (empty.folder / ".restore").exists()


def test_nothing_is_written_over(house: House, backup: Path) -> None:
    before = backup.read_bytes()
    assert "is there already" in house.manage("backup", str(backup))
    assert backup.read_bytes() == before


def test_there_is_nothing_to_copy(empty: House, tmp_path: Path) -> None:
    assert "There is no portal in" in empty.manage("backup", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def packed(*files: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, "/etc/passwd", len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(content))
    made.seek(0)
    return made


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "name",
    ["/etc/cron.d/x", "../portal.sqlite3", "sessions/../../x", "media/../x", "media/1/..", "sessions/a/b", "run.sh"],
)
def test_nothing_is_written_elsewhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        list(extract(packed((name, b"x")), tmp_path / "in"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises(ValueError, match="has no place"):
        Writer(io.BytesIO()).add_bytes(name, b"")


@pytest.mark.sqlite_only
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_nothing_but_files(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        list(extract(packed(("sessions/x", b""), kind=kind), tmp_path))


@pytest.mark.sqlite_only
def test_every_cut_and_flip_is_noticed(tmp_path: Path) -> None:
    """Wherever a copy was cut off or changed on its way."""
    content = {"manifest.json": b"{}", "portal.sqlite3": os.urandom(3000)}
    out = io.BytesIO()
    writer = Writer(out)
    for name, held in content.items():
        writer.add_bytes(name, held)
    writer.close()
    whole = out.getvalue()

    def taken(damaged: bytes, folder: str) -> bool:
        """Whether it was taken for a backup, in which case it must be the right one."""
        try:
            found = {path.name: path.read_bytes() for path in extract(io.BytesIO(damaged), tmp_path / folder)}
        except Unreadable:
            return False
        assert found == content
        return True

    assert taken(whole, "whole")
    for at in range(10, len(whole), 37):
        assert not taken(whole[:at], f"cut{at}")
        # Compressed zeros can be written in several ways: a flip there may change nothing.
        taken(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :], f"flip{at}")


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"database": "postgresql"},
            "The backup has its data from postgresql, and here DATABASE_URL means sqlite: set it",
        ),
        ({"format": 99}, "A newer version"),
        (
            {"migrations": {"chats": ["9999_later"]}},
            "A newer version of the portal made this backup (it has chats.9999_later",
        ),
        ({"nonsense": 1}, "its manifest cannot be read"),
    ],
)
def test_what_does_not_fit_here(change: dict[str, object], said: str, tmp_path: Path) -> None:
    from portal.backups.manifest import SQLITE, Manifest

    fits = {
        "database": SQLITE,
        "sessions": SQLITE,
        "one_database": False,
        "place": "",
        "key_print": "",
        "migrations": {},
    }
    with pytest.raises(Unreadable) as caught:
        Manifest.read(json.dumps({**fits, **change}).encode()).check()
    assert said in str(caught.value)
