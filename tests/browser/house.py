"""The house for browser tests: a real portal, a loopback WhatsApp, a linked phone, one live contact."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.loopback import Account, Actor, LoopbackServer
from tests.portal_process import PortalProcess

PASSWORD = "correct horse battery"
SETUP = """
import json, sys
from django.contrib.auth import get_user_model
from instances.models import Account, Instance, Membership
users, roles = get_user_model().objects, Membership.Role
ours, theirs = Account.objects.get(), Account.objects.create(name="Next door")
shop = Instance.objects.create(account=ours, name="shop")
Instance.objects.create(account=theirs, name="stall")
def person(name, account, role):
    user = users.create_user(name, password={password!r}, first_name=name.capitalize())
    member = Membership.objects.create(user=user, account=account, role=role)
    member.instances.set(account.instances.all())
person("alice", ours, roles.ADMINISTRATOR)
person("bob", ours, roles.OPERATOR)
person("vera", ours, roles.VIEWER)
person("charlie", theirs, roles.ADMINISTRATOR)
print("RESULT", json.dumps({{"shop": str(shop.uid)}}))
"""


class House:
    """What the tests hold."""

    def __init__(self, wa: LoopbackServer, portal: PortalProcess, phone: Account, ana: Actor, facts: Any) -> None:
        self.wa, self.portal, self.phone, self.ana = wa, portal, phone, ana
        self.shop: str = facts["shop"]
        self._linked = False

    @property
    def url(self) -> str:
        """Where the portal is."""
        return self.portal.url

    def python(self, code: str) -> Any:
        """Run code in the portal's Django; what it prints after RESULT comes back."""
        done = self.portal.manage("shell", "--no-imports", "-c", textwrap.dedent(code), seconds=180)
        for line in done.stdout.splitlines():
            if line.startswith("RESULT "):
                return json.loads(line[7:])
        if done.returncode:
            raise AssertionError(done.stderr)
        return None

    def link(self) -> None:
        """Link the phone, unless a test did it already."""
        if self._linked:
            return
        self._scan(self.shop, self.phone)
        self._linked = True

    def link_another(self, name: str, phone: Account) -> str:
        """Make a further instance of Alice's, and link this phone to it; the instance's uid comes back."""
        uid: str = self.python(f"""
            import json
            from instances.models import Instance
            shop = Instance.objects.get(uid="{self.shop}")
            print("RESULT", json.dumps(str(Instance.objects.create(account=shop.account, name="{name}").uid)))
        """)
        self._scan(uid, phone)
        return uid

    def _scan(self, uid: str, phone: Account) -> None:
        self.python(f"""
            import time
            from instances.models import Instance
            from instances.whatsapp import service
            from instances.whatsapp.errors import NotConnected
            instance = Instance.objects.get(uid="{uid}")
            for _ in range(600):
                try:
                    link = service.connect(instance)
                    break
                except NotConnected:
                    time.sleep(0.1)
            open("{self.portal.data_dir}/qr.txt", "w").write(link.qr)
        """)
        text = (Path(self.portal.data_dir) / "qr.txt").read_text()
        if text:
            phone.scan(text)
        # In one process: to start Django takes longer than to link.
        connected = self.python(f"""
            import time
            from instances.models import Instance
            for _ in range(600):
                if connected := Instance.objects.get(uid="{uid}").state == "connected":
                    break
                time.sleep(0.1)
            print("RESULT", str(connected).lower())
        """)
        assert connected, "not connected"

    def end_sessions(self) -> None:
        """Nobody is signed in any more, and no browser has heard of it."""
        self.python("from django.contrib.sessions.models import Session; Session.objects.all().delete()")

    def later(self, **span: float) -> None:
        """Move the clock on, as a timedelta has it: what is planned, pinned and told of is so much nearer or older.

        The processes keep their own clock, which the sockets and certificates of the tests need too.
        """
        self.python(f"""
            from datetime import timedelta
            from django.db import transaction
            from django.db.models import F
            from chats.models import Pin, PinEvent, RuleHit, Schedule
            moved = {{
                Schedule: ("created_at", "starts_at", "until", "due_at", "try_at", "last_at"),
                Pin: ("pinned_at", "expires_at", "changed_at", "asked_at"),
                PinEvent: ("at",),
                RuleHit: ("found_at", "try_at", "at"),
            }}
            with transaction.atomic():
                for model, names in moved.items():
                    model.objects.update(**{{name: F(name) - timedelta(**{span!r}) for name in names}})
        """)

    def stored(self, message_id: str) -> None:
        """Wait until a message stands in the portal's database."""
        found = self.python(f"""
            import time, json
            from chats.models import Message
            for _ in range(600):
                if found := Message.objects.filter(message_id="{message_id}").exists():
                    break
                time.sleep(0.1)
            print("RESULT", json.dumps(found))
        """)
        assert found, "the message did not arrive"

    def linked(self) -> None:
        """A test linked it by the page."""
        self._linked = True


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """Build it; tear it down afterwards."""
    with ExitStack() as stack:
        wa = stack.enter_context(LoopbackServer(folder / "whatsapp"))
        phone = wa.account("Shop", "5511940000001")
        ana = Actor(wa, wa.account("Ana", "5511940000101"), folder / "actors")
        # Many pins together go slowly enough for somebody at a busy browser to stop them on the way.
        portal = PortalProcess(folder / "data", BATCH_PACE_SECONDS="4", **wa.env())
        stack.callback(portal.stop)
        stack.callback(ana.kill)
        ana.start()
        portal.wait_ready()
        built = House(wa, portal, phone, ana, {"shop": ""})
        built.shop = built.python(SETUP.format(password=PASSWORD))["shop"]
        yield built
