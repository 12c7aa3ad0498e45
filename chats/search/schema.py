"""Making the index's tables and triggers: for the migration, and for one that rebuilds the messages' table.

On SQLite, Django changes a table by copying it, and the triggers stay with the
old one. A later migration that changes Message must therefore run
`restore_triggers` after it; a test tells when that was forgotten.
"""

import re
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from chats.search import vocabulary
from chats.search.backends import BACKENDS, finding, postgres, sqlite
from chats.search.keys import ID_MASK


def install(connection: BaseDatabaseWrapper) -> None:
    """Make everything anew, and note all messages for the next `catch_up`."""
    vocabulary.forget()
    index = BACKENDS[connection.vendor]
    with connection.cursor() as cursor:
        for statement in (*index.uninstall, *index.install, index.note_all):
            cursor.execute(statement)


def restore_triggers(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """For RunPython, after a change of the messages' table that may have lost them. The index stays as it is."""
    index = BACKENDS[editor.connection.vendor]
    with editor.connection.cursor() as cursor:
        for statement in (*index.uninstall, *index.install):
            if re.match("(DROP|CREATE) (TRIGGER|FUNCTION)", statement):
                cursor.execute(statement)


def follow_0011(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """For RunPython: what an index made before then lacks. A million messages take half a minute on SQLite."""
    with editor.connection.cursor() as cursor:
        if editor.connection.vendor == "postgresql":
            cursor.execute(postgres.OF_INSTANCE)
            return
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'chats_search_content'")
        if not cursor.fetchone():
            return
        documents, *index = sqlite.INDEX
        for statement in (
            documents,
            f"INSERT INTO chats_searchdocument SELECT id & {ID_MASK}, id, c0 FROM chats_search_content ORDER BY 1",  # noqa: S608
            "DROP TABLE chats_search",
            *index,
            "INSERT INTO chats_search (rowid, words) SELECT key, words FROM chats_searchdocument ORDER BY key",
        ):
            cursor.execute(statement)


def follow_0013(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """For RunPython: an index made before then by units of time. A million messages take PostgreSQL half a minute."""
    if editor.connection.vendor != "postgresql":
        return
    with editor.connection.cursor() as cursor:
        # Of columns: the words, and the units.
        cursor.execute("SELECT indnatts FROM pg_index WHERE indexrelid = 'chats_search_words'::regclass")
        old = cursor.fetchone()[0] == 1
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        for statement in (finding.FORGET, finding.FIND):
            cursor.execute(statement)
        if old:
            cursor.execute("DROP INDEX chats_search_words")
            cursor.execute(postgres.GIN)


def follow_0015(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """For RunPython: long messages are marked on PostgreSQL, some seconds for a million."""
    if editor.connection.vendor == "postgresql":
        with editor.connection.cursor() as cursor:
            cursor.execute(postgres.PostgresBackend.note_overfull)


def uninstall(connection: BaseDatabaseWrapper) -> None:
    """Leave nothing behind."""
    with connection.cursor() as cursor:
        for statement in BACKENDS[connection.vendor].uninstall:
            cursor.execute(statement)


def forwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """For RunPython."""
    install(editor.connection)


def backwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """For RunPython."""
    uninstall(editor.connection)
