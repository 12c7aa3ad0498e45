"""Secrets that are made once and kept in a file only the portal can read."""

import os
import secrets
from pathlib import Path


def read_secret(path: Path) -> str:
    """Return the secret kept in `path`; empty when there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def read_or_make_secret(path: Path) -> str:
    """Return the secret kept in `path`, and make it first if there is none.

    384 random bits in URL-safe text, 64 characters, mode 0600. Safe when several processes
    or threads start at once: the file appears whole, and the first one to place it wins.
    Raises OSError when the folder cannot be written.
    """
    if kept := read_secret(path):
        return kept
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
