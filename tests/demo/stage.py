"""The stage: loopback WhatsApp, portal, contacts, all started and stopped together."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.demo import people
from tests.loopback import Account, Actor, LoopbackServer
from tests.portal_process import PortalProcess

MESSAGES = 20_000


class Stage:
    """Use as a context manager. `url`, `token`, `portal`, `server`, `actors` are there then."""

    def __init__(self, port: int | None = None, messages: int = MESSAGES, contacts: bool = True, **env: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portal-demo-"))
        self.messages, self.contacts, self.port = messages, contacts, port
        self.env = env
        self.server = LoopbackServer(self.folder / "whatsapp")
        self.actors: list[Actor] = []
        # Of the account, for the API.
        self.token = ""
        self.stop = threading.Event()

    def __enter__(self) -> "Stage":
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        if hasattr(self, "portal"):
            self.portal.stop()
        for actor in self.actors:
            actor.kill()
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where the portal is."""
        return self.portal.url

    def _start(self) -> None:
        self.server.start()
        data = self.folder / "data"
        self.portal = PortalProcess(data, self.port, DEMO="true", **{**self.server.env(), **self.env})
        owner, second = (self.server.account(*who) for who in (people.OWNER, people.SECOND))
        live = [self.server.account(*who) for who in people.LIVE]
        extras = [self.server.account(one.name, one.phone) for one in people.extras()]
        if self.contacts:
            self.actors = [Actor(self.server, one, self.folder / "actors") for one in live]
            for actor in self.actors:
                actor.start(wait=False)
            for actor in self.actors:
                actor._link_device(30)
        self.portal.wait_ready()
        self._enter_django(data)
        self._furnish(owner, second, live, extras)

    def _enter_django(self, data: Path) -> None:
        """This process becomes a client of the portal's database and NATS."""
        import django

        os.environ.update(DATA_DIR=str(data), DJANGO_SETTINGS_MODULE="portal.settings")
        django.setup()

    def _furnish(self, owner: Account, second: Account, live: list[Account], extras: list[Account]) -> None:
        from instances import tokens
        from instances.models import Account as OurAccount
        from instances.models import Instance
        from tests.demo import files, house
        from tests.demo.past import Who

        account = OurAccount.objects.get()
        OurAccount.objects.filter(pk=account.pk).update(name="Casa Lume")
        shop = Instance.objects.create(account=account, name="shop")
        trade = Instance.objects.create(account=account, name="trade")
        spare = Instance.objects.create(account=account, name="new phone")
        _, self.token = tokens.issue(account, label="Demonstration")
        house.make_people(account, [shop, trade, spare])
        house.link(shop, owner)
        house.link(trade, second)
        as_who: Any = lambda one: Who(one.name, one.jid, one.lid)  # noqa: E731
        groups = self._groups(owner, live)
        put = files.store(self.server.media)
        house.write_past(
            shop,
            owner,
            [as_who(one) for one in extras[:24]],
            [as_who(one) for one in live],
            groups,
            self.messages * 5 // 6,
            put,
        )
        house.write_past(trade, second, [as_who(one) for one in extras[24:]], [], [], self.messages // 6 + 10, put)
        if self.contacts:
            house.pin_some(shop)
            self._people_write(owner)

    def _groups(self, owner: Account, live: list[Account]) -> list[tuple[str, str, list[Any]]]:
        from tests.demo.past import Who

        if not self.actors:
            return []
        members = [Who(one.name, one.jid, one.lid) for one in live]
        found = []
        for name in ("Deliveries", "Casa Lume team"):
            jid = self.actors[0].create_group(name, [owner.jid, *(one.jid for one in live[1:])])
            found.append((jid, name, members))
        return found

    def _people_write(self, owner: Account) -> None:
        from tests.demo.contacts import Contact

        self.actors[1].send_text(owner.jid, "Hello, is the reading lamp back in stock?")
        self.actors[2].send_text(owner.jid, "Could you send me the invoice for CL-4790 again, please?")
        time.sleep(0.5)
        self.minds = [Contact(actor, owner.jid, self.stop, seed) for seed, actor in enumerate(self.actors)]

    def let_them_talk(self) -> None:
        """From now on the contacts write and answer by themselves."""
        for mind in self.minds:
            mind.start()
