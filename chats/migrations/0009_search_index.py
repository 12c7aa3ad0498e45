from django.db import migrations

from chats.search import schema


class Migration(migrations.Migration):

    dependencies = [
        ("chats", "0008_batches"),
    ]

    operations = [
        migrations.RunPython(schema.follow_0009, migrations.RunPython.noop),
    ]
