from django.db import migrations

from chats.search import schema


class Migration(migrations.Migration):

    dependencies = [
        ("chats", "0010_lost_schedules"),
    ]

    operations = [
        migrations.RunPython(schema.follow_0011, migrations.RunPython.noop),
    ]
