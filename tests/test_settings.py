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
