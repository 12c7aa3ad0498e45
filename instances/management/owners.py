"""Which account and instance a command on the terminal means, or a sentence saying why that is unclear."""

from django.core.management.base import CommandError

from instances.models import Account, Instance


def account_named(name: str | None) -> Account:
    """The account of this name; without a name the only one there is. Raises CommandError."""
    if name:
        account = Account.objects.filter(name=name).first()
        if account is None:
            raise CommandError(f"There is no account '{name}'. {_which_accounts()}")
        return account
    accounts = list(Account.objects.order_by("pk")[:2])
    if not accounts:
        raise CommandError("There is no account yet. Make one: manage.py createaccount NAME")
    if len(accounts) > 1:
        raise CommandError(f"There are several accounts: say which one with --account NAME. {_which_accounts()}")
    return accounts[0]


def instance_named(name: str, account_name: str | None) -> Instance:
    """The instance of this name, in the account if one is named. Raises CommandError."""
    found = Instance.objects.select_related("account").filter(name=name)
    if account_name:
        found = found.filter(account=account_named(account_name))
    instances = list(found[:2])
    if not instances:
        raise CommandError(f"There is no instance '{name}'. Make it first: manage.py createinstance {name}")
    if len(instances) > 1:
        raise CommandError(f"Several accounts have an instance '{name}': say which one with --account NAME.")
    return instances[0]


def _which_accounts() -> str:
    names = list(Account.objects.order_by("name").values_list("name", flat=True)[:20])
    return f"There are: {', '.join(names)}." if names else "There is none yet: manage.py createaccount NAME"
