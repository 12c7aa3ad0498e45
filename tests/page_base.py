"""People with roles, for tests of pages.

Alice administers her account. Bob, her colleague, is an operator on "shop"
alone; Vera is a viewer there. Charlie administers the account next door.
Root runs the house.
"""

from typing import Any

from django.contrib.auth import get_user_model

from instances.models import Membership
from tests.base import BaseTestCase

User = get_user_model()
Role = Membership.Role


class PageTestCase(BaseTestCase):
    """The people, and how to open a page as one of them."""

    people: dict[str, Any]

    @classmethod
    def setUpTestData(cls) -> None:
        super().setUpTestData()
        cls.people = {name: User.objects.create_user(name) for name in ("alice", "bob", "vera", "charlie", "nobody")}
        cls.people["root"] = User.objects.create_superuser("root")
        cls.join("alice", cls.alice_account, Role.ADMINISTRATOR)
        cls.join("bob", cls.alice_account, Role.OPERATOR).instances.add(cls.shop)
        cls.join("vera", cls.alice_account, Role.VIEWER).instances.add(cls.shop)
        cls.join("charlie", cls.charlie_account, Role.ADMINISTRATOR)

    @classmethod
    def join(cls, name: str, account: Any, role: Role) -> Membership:
        """Make somebody a member."""
        return Membership.objects.create(user=cls.people[name], account=account, role=role)

    def open(self, who: str, path: str, *, fragment: bool = False, **data: Any) -> Any:
        """GET as this person ("" for nobody signed in)."""
        self.become(who)
        return self.client.get(path, data, headers={"HX-Request": "true"} if fragment else {})

    def send(self, who: str, path: str, **data: Any) -> Any:
        """POST as this person."""
        self.become(who)
        return self.client.post(path, data)

    def become(self, who: str) -> None:
        """Sign in as this person, or out."""
        if who:
            self.client.force_login(self.people[who], backend="django.contrib.auth.backends.ModelBackend")
        else:
            self.client.logout()
