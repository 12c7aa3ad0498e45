"""Making and deleting instances: the rules, for pages and the API."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from chats import removal
from chats.media import cache
from instances import tokens
from instances.models import Account, Instance
from instances.whatsapp import service
from instances.whatsapp.errors import WhatsAppError

# So many rows are removed before a request is answered.
AT_ONCE = 1_000


class CannotMake(Exception):
    """The instance was not made; the text is for people."""


class InvalidName(CannotMake):
    """No instance may be called that."""


class NameTaken(CannotMake):
    """The account has an instance of this name."""

    def __init__(self) -> None:
        super().__init__(_("There is an instance of this name already."))


class QuotaExceeded(CannotMake):
    """The account has all the instances it may have."""

    def __init__(self) -> None:
        super().__init__(_("This account has all the instances it may have. Delete one, or raise its quota."))


class TokenTaken(CannotMake):
    """The secret that was chosen is in use already."""

    def __init__(self) -> None:
        super().__init__(_("This token is in use already. Choose another one, or let the portal make it."))


def create(account: Account, name: str, labelled: str = "") -> Instance:
    """Make an instance, and let a connector take it up. Raises CannotMake. `labelled`: of `labels.normal`."""
    with transaction.atomic():
        instance = _insert(account, name, labelled)
    service.announce(instance)
    return instance


def create_with_token(account: Account, name: str, chosen: str = "") -> tuple[Instance, str]:
    """Make an instance with its first token; the second value is the secret. Raises CannotMake."""
    with transaction.atomic():
        instance = _insert(account, name)
        try:
            with transaction.atomic():
                _token, secret = tokens.issue(account, instance=instance, label=instance.name, chosen=chosen)
        except IntegrityError:
            raise TokenTaken from None
    service.announce(instance)
    return instance, secret


def _insert(account: Account, name: str, labelled: str = "") -> Instance:
    name = name.strip()
    instance = Instance(account=account, name=name, labels=labelled)
    if account.instances.filter(name=name).exists():
        raise NameTaken
    try:
        instance.clean_fields()
        with transaction.atomic():
            # Locked, so that two at once cannot both take the last place.
            Account.objects.select_for_update().get(pk=account.pk)
            if account.instances.count() >= account.instance_quota:
                raise QuotaExceeded
            instance.save()
    except ValidationError as error:
        raise InvalidName(" ".join(error.messages)) from None
    except IntegrityError:
        raise NameTaken from None
    return instance


def label(instance: Instance, labelled: str) -> None:
    """Give it other labels; a connector that does not have them hands it over. `labelled`: as of `create`."""
    Instance.objects.filter(pk=instance.pk).update(labels=labelled)
    service.announce(instance)


def delete(instance: Instance) -> None:
    """Unlink the device, delete its keys, and then all that is stored of it.

    Nothing of it can be seen when this returns, and its name is free; what is
    left of many messages goes with the housekeeping.

    Raises a WhatsAppError, and deletes nothing, when a phone is linked and no
    connector could be told: its keys would stay behind.
    """
    try:
        service.logout(instance)
    except WhatsAppError:
        if instance.linked:
            raise
    with transaction.atomic():
        instance.tokens.all().delete()
        # Their rows may be many, and go with the instance's.
        instance.webhooks.update(active=False)
        # The epoch moves on: whoever holds it writes nothing any more.
        Instance.objects.filter(pk=instance.pk).update(
            going_at=timezone.now(), name=instance.uid.hex, wanted=False, owner="", epoch=F("epoch") + 1
        )
    cache.forget_instance(instance.pk)
    removal.remove(instance, AT_ONCE)
