"""Making and deleting instances: the rules, for pages and whoever else comes to need them."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from instances.models import Account, Instance
from instances.whatsapp import service
from instances.whatsapp.errors import WhatsAppError


class CannotMake(Exception):
    """The instance was not made; the text is for people."""


def create(account: Account, name: str) -> Instance:
    """Make an instance, and let a connector take it up. Raises CannotMake."""
    name = name.strip()
    instance = Instance(account=account, name=name)
    if account.instances.filter(name=name).exists():
        raise CannotMake(_("There is an instance of this name already."))
    try:
        instance.clean_fields()
        with transaction.atomic():
            # Locked, so that two at once cannot both take the last place.
            Account.objects.select_for_update().get(pk=account.pk)
            if account.instances.count() >= account.instance_quota:
                raise CannotMake(_("This account has all the instances it may have. Delete one, or raise its quota."))
            instance.save()
    except ValidationError as error:
        raise CannotMake(" ".join(error.messages)) from None
    except IntegrityError:
        raise CannotMake(_("There is an instance of this name already.")) from None
    service.announce(instance)
    return instance


def delete(instance: Instance) -> None:
    """Unlink the device, delete its keys, and then all that is stored of it.

    Raises a WhatsAppError, and deletes nothing, when a phone is linked and no
    connector could be told: its keys would stay behind.
    """
    try:
        service.logout(instance)
    except WhatsAppError:
        if instance.linked:
            raise
    instance.delete()
