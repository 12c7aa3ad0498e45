from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("instances", "0010_places"),
    ]

    operations = [
        migrations.AddField(
            model_name="connector",
            name="held",
            field=models.JSONField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="instance",
            index=models.Index(
                condition=models.Q(("going_at", None), ("owner", "")), fields=["labels"], name="instance_free"
            ),
        ),
        migrations.AddIndex(
            model_name="instance",
            index=models.Index(
                condition=models.Q(("going_at__isnull", False)), fields=["going_at"], name="instance_going"
            ),
        ),
    ]
