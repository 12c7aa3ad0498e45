"""The settings, read anew from an environment; and those of tests keep away from real data."""

import json
import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from tests.portal_process import ROOT

LISTS = ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "CORS_ALLOWED_ORIGINS", "WEBHOOK_ALLOWED_NETWORKS")


def test_tests_never_use_the_default_data_folder() -> None:
    root = Path(__file__).resolve().parent.parent
    assert not settings.DATA_DIR.is_relative_to(root)


def test_blanks_behind_commas(tmp_path: Path) -> None:
    """Was red: `a.example, b.example` never let the second one in, and nothing said why."""
    given = {
        "ALLOWED_HOSTS": "a.example, b.example ,",
        "CSRF_TRUSTED_ORIGINS": "https://a.example, https://b.example",
        "CORS_ALLOWED_ORIGINS": " https://a.example,https://b.example ",
        "WEBHOOK_ALLOWED_NETWORKS": "10.1.0.0/16, 127.0.0.0/8, ",
    }
    read = f"[vars(settings)[name] for name in {LISTS}]"
    program = f"import json; from portal import settings; print(json.dumps({read}, default=str))"
    environment = {**os.environ, **given, "DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert json.loads(done.stdout) == [
        ["a.example", "b.example"],
        ["https://a.example", "https://b.example"],
        ["https://a.example", "https://b.example"],
        ["10.1.0.0/16", "127.0.0.0/8"],
    ], done.stderr


def test_a_database_that_is_gone_without_a_word(tmp_path: Path) -> None:
    """Was red: a process waited up to two hours for the answer of a machine that had lost its power."""
    assert limits_with("", tmp_path) == {
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }


def test_its_limits_by_the_url(tmp_path: Path) -> None:
    found = limits_with("?keepalives_idle=60&tcp_user_timeout=0&sslmode=require", tmp_path)
    assert (found["keepalives_idle"], found["keepalives_interval"], found["tcp_user_timeout"]) == (60, 5, 0)


def limits_with(query: str, folder: Path) -> dict[str, int]:
    """How long a machine of the database may say nothing, as a connection is told; `query`: of DATABASE_URL."""
    program = """
import json
import django; django.setup()
from django.db import connection
told = connection.get_connection_params()
print(json.dumps({name: told[name] for name in told if name.startswith(("keepalives_", "tcp_"))}))
"""
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgres://portal:secret@192.0.2.1/portal{query}",
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found
