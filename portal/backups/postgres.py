"""Copies of PostgreSQL databases by PostgreSQL's own programs."""

import os
import shutil
import subprocess
from pathlib import Path

import psycopg
from django.conf import settings
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# Keywords of a connection, as libpq has them: "host", "dbname", "sslmode" …
Target = dict[str, str]
# Keyword → the variable by which PostgreSQL's programs take it.
VARIABLES = {
    known.keyword.decode(): known.envvar.decode() for known in pq.Conninfo.get_defaults() if known.envvar is not None
}
CONNECT_SECONDS = "10"


class Failed(Exception):
    """The copy was not made; the text is for people."""


def main() -> Target:
    """How to reach the portal's own database."""
    known = settings.DATABASES["default"]
    named = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    values = {**known["OPTIONS"], **{keyword: known[name] for keyword, name in named.items()}}
    return {name: str(value) for name, value in values.items() if name in VARIABLES and value not in ("", None)}


def sessions() -> Target:
    """How to reach the database with the keys of linked devices."""
    return {name: str(value) for name, value in conninfo_to_dict(settings.SESSION_DATABASE_URL).items()}


def same(one: Target, other: Target) -> bool:
    """Whether both are one database."""
    return all(one.get(name) == other.get(name) for name in ("host", "dbname")) and (
        one.get("port", "5432") == other.get("port", "5432")
    )


def dump(database: Target, path: Path, *, schemas: str = "") -> None:
    """Write the database as of one moment into `path`, while others go on. Raises Failed."""
    only = [f"--schema={schemas}"] if schemas else []
    _run("pg_dump", database, "--format=custom", "--compress=0", "--no-owner", "--no-acl", *only, f"--file={path}")


def load(database: Target, path: Path) -> None:
    """Put a dump into an empty database, whole or not at all. Raises Failed."""
    _run(
        "pg_restore",
        database,
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        "--no-acl",
        f"--dbname={database['dbname']}",
        str(path),
    )


def tables(database: Target) -> list[str]:
    """The tables that are there, in whatever schema. Raises Failed."""
    query = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname !~ '^pg_' AND schemaname <> %s"
    try:
        with psycopg.connect(make_conninfo(**{"connect_timeout": CONNECT_SECONDS, **database})) as connection:
            return [str(row[0]) for row in connection.execute(query, ["information_schema"]).fetchall()]
    except psycopg.Error as error:
        raise Failed(f"The database cannot be used: {error}".strip()) from None


def session_tables() -> list[str]:
    """Those of `tables` that hold keys of linked devices. Raises Failed."""
    return [name for name in tables(sessions()) if name.startswith("session_")]


def portal_tables() -> list[str]:
    """The tables of the portal's own database that do not hold keys of linked devices. Raises Failed."""
    return [name for name in tables(main()) if not name.startswith("session_")]


def _run(name: str, database: Target, *arguments: str) -> None:
    program = shutil.which(name)
    if program is None:
        raise Failed(
            f"There is no {name} here. Install PostgreSQL's client programs, at least as new as the server "
            "(Debian and Ubuntu: apt install postgresql-client), and try again."
        )
    # By the environment: `ps` shows arguments, and with them the password, to every user.
    secret = {VARIABLES[keyword]: value for keyword, value in database.items() if keyword in VARIABLES}
    done = subprocess.run(
        [program, *arguments], env={**os.environ, **secret}, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise Failed(f"{name} failed: {done.stderr.strip()[-600:]}")
