from typing import Any

from django.db import migrations

from chats.search.backends import postgres


def add(apps: Any, editor: Any) -> None:
    """Those who begin today have it from 0003."""
    if editor.connection.vendor == "postgresql":
        editor.execute(postgres.OF_INSTANCE)


class Migration(migrations.Migration):

    dependencies = [
        ("chats", "0007_fewer_indexes"),
    ]

    operations = [
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
