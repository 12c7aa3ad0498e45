from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("instances", "0002_membership"),
    ]

    operations = [
        migrations.AddField(
            model_name="instance",
            name="keep_days",
            field=models.PositiveIntegerField(
                blank=True, help_text="Messages older than this many days are deleted. Empty: they are kept.", null=True
            ),
        ),
    ]
