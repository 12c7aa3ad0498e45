from django.db import migrations

from chats.search import schema


class Migration(migrations.Migration):

    dependencies = [
        ("chats", "0014_contact_name"),
    ]

    operations = [
        migrations.RunPython(schema.follow_0015, migrations.RunPython.noop),
    ]
