"""What has to be there before, or right after, the portal first starts. Each step may be taken again."""

import secrets

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from instances.models import Account

ADMINISTRATOR = "admin"
FIRST_ACCOUNT = "Default"


def prepare_database() -> None:
    """Bring the database up to this version. Raises CommandError when it cannot be reached."""
    # One plain connection, which says at once why it fails; a pool would
    # retry in threads of its own until its time limit, and then say only that.
    connection.settings_dict["OPTIONS"].pop("pool", None)
    try:
        call_command("migrate", interactive=False, verbosity=0)
        if not Account.objects.exists():
            # So that createinstance works at once; more of them are for
            # houses that serve several teams.
            Account.objects.create(name=FIRST_ACCOUNT)
    except OperationalError as error:
        raise CommandError(f"The database cannot be used: {error}".strip()) from error


def collect_static_files() -> None:
    """Put the static files where the web process serves them from; quick when they are there."""
    call_command("collectstatic", interactive=False, verbosity=0)


def first_administrator() -> str | None:
    """Make the first administrator and return the password, or None when there is one already."""
    users = get_user_model()
    if users.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    user, _ = users.objects.get_or_create(username=ADMINISTRATOR)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    return password


def leave_database() -> None:
    """Close our connection: the supervisor, which runs for months, needs none."""
    connection.close()
