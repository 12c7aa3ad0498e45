from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('instances', '0012_whose_pieces'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhook',
            name='older_salts',
            field=models.JSONField(editable=False, null=True),
        ),
    ]
