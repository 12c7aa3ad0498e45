from django.db import migrations, models
import django.db.models.deletion

from chats.search import schema


class Migration(migrations.Migration):

    dependencies = [
        ("chats", "0006_schedule"),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, schema.restore_triggers),
        migrations.RemoveIndex(model_name="message", name="message_by_id"),
        migrations.RemoveConstraint(model_name="message", name="message_once"),
        migrations.AlterField(
            model_name="message",
            name="chat",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="messages", to="chats.chat"
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="instance",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="instances.instance",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                fields=("instance", "message_id", "chat", "sender"), name="message_once"
            ),
        ),
        migrations.RunPython(schema.restore_triggers, migrations.RunPython.noop),
    ]
