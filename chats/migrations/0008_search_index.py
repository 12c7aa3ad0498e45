from django.db import migrations

from chats.search import schema


class Migration(migrations.Migration):

    dependencies = [
        ("chats", "0007_fewer_indexes"),
    ]

    operations = [
        migrations.RunPython(schema.follow_0008, migrations.RunPython.noop),
    ]
