"""createaccount, createinstance and createtoken: what they make, and their sentences."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from instances import tokens
from instances.models import Account, Instance, Token

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    """The command's standard output."""
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def refused(*arguments: str) -> str:
    """The sentence with which the command refuses."""
    with pytest.raises(CommandError) as error:
        run(*arguments)
    return str(error.value)


@pytest.fixture
def account() -> Account:
    return Account.objects.create(name="Default")


def test_it_works(account: Account) -> None:
    out = run("createinstance", "sales")
    assert "Instance 'sales' of account 'Default' is made." in out
    assert "pair sales" in out
    secret = run("createtoken", "--instance", "sales").strip()
    token = tokens.find(secret)
    assert token is not None
    assert token.instance == Instance.objects.get(name="sales")
    assert token.expires_at is None


def test_a_token_without_instance_opens_the_account(account: Account) -> None:
    token = tokens.find(run("createtoken", "--label", "CRM").strip())
    assert token is not None
    assert (token.account, token.instance, token.label) == (account, None, "CRM")


def test_a_token_may_expire(account: Account) -> None:
    token = tokens.find(run("createtoken", "--expires-in-days", "3").strip())
    assert token is not None
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=3)) < timedelta(minutes=1)


@pytest.mark.parametrize("days", ["0", "-1", "99999999"])
def test_a_token_cannot_expire_in_the_past_or_never(account: Account, days: str) -> None:
    assert refused("createtoken", f"--expires-in-days={days}").startswith("--expires-in-days must be")
    assert not Token.objects.exists()


def test_a_label_has_an_end(account: Account) -> None:
    assert refused("createtoken", "--label", "x" * 101) == "The label has more than 100 characters."


def test_the_token_is_kept_nowhere(account: Account) -> None:
    secret = run("createtoken").strip()
    row = Token.objects.values().get()
    assert secret not in str(row)


def test_several_accounts_need_a_name(account: Account) -> None:
    run("createaccount", "Other")
    sentence = "There are several accounts: say which one with --account NAME. There are: Default, Other."
    assert refused("createinstance", "sales") == sentence
    assert refused("createtoken") == sentence
    assert "--account Other" in run("createinstance", "sales", "--account", "Other")
    assert Instance.objects.get().account.name == "Other"


def test_the_same_instance_name_in_two_accounts_needs_the_account(account: Account) -> None:
    run("createaccount", "Other")
    for name in ("Default", "Other"):
        run("createinstance", "sales", "--account", name)
    assert refused("createtoken", "--instance", "sales").startswith("Several accounts have an instance 'sales'")
    token = tokens.find(run("createtoken", "--instance", "sales", "--account", "Other").strip())
    assert token is not None
    assert token.account.name == "Other"


def test_no_account() -> None:
    assert refused("createinstance", "sales") == "There is no account yet. Make one: manage.py createaccount NAME"


def test_an_unknown_account(account: Account) -> None:
    assert refused("createtoken", "--account", "Nobody") == "There is no account 'Nobody'. There are: Default."


def test_an_unknown_instance(account: Account) -> None:
    assert refused("createtoken", "--instance", "sales") == (
        "There is no instance 'sales'. Make it first: manage.py createinstance sales"
    )


def test_a_taken_name(account: Account) -> None:
    run("createinstance", "sales")
    assert refused("createinstance", "sales") == "Account 'Default' has an instance 'sales' already."
    assert refused("createaccount", "Default") == "There is an account 'Default' already."


@pytest.mark.parametrize("name", ["", " ", "a/b", " a", "x" * 65, "a\n"])
def test_a_name_that_is_none(account: Account, name: str) -> None:
    assert refused("createinstance", name)
    assert not Instance.objects.exists()


def test_the_quota(account: Account) -> None:
    Account.objects.update(instance_quota=1)
    run("createinstance", "one")
    assert refused("createinstance", "two").startswith("Account 'Default' may have 1 instances and has them.")
