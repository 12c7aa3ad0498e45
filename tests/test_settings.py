"""The test settings keep tests away from real data."""

from pathlib import Path

from django.conf import settings


def test_tests_never_use_the_default_data_folder() -> None:
    root = Path(__file__).resolve().parent.parent
    assert not settings.DATA_DIR.is_relative_to(root)
