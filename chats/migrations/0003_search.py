from django.db import migrations

from chats.search import schema


class Migration(migrations.Migration):

    dependencies = [
        ("chats", "0002_read_marks"),
    ]

    operations = [
        migrations.RunPython(schema.forwards, schema.backwards),
    ]
