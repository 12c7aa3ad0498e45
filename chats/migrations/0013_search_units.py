from django.db import migrations

from chats.search import schema


class Migration(migrations.Migration):

    dependencies = [
        ("chats", "0012_group_admins"),
    ]

    operations = [
        migrations.RunPython(schema.follow_0013, migrations.RunPython.noop),
    ]
