"""A proxy's name whose server does not answer holds up nobody but whoever named it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

from django.contrib.messages import get_messages
from django.test import override_settings

from instances import proxies
from portal import crowd
from portal.crowd import Place
from portal.rest.errors import BUSY
from tests.base import ApiTestCase
from tests.page_base import PageTestCase

PROXY = "http://slow.test:8080"
FOUND = [(2, 1, 6, "", ("93.184.216.34", 8080))]


@override_settings(PROXY_ALLOW_PRIVATE=False)
class Lookup(ApiTestCase, PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.asked, self.answered = threading.Semaphore(0), threading.Event()
        self.enterContext(mock.patch("socket.getaddrinfo", self.look_up))
        self.enterContext(mock.patch("instances.whatsapp.service.apply_preferences"))

    def look_up(self, *_: Any, **__: Any) -> Any:
        """As a resolver does whose server is silent."""
        self.asked.release()
        assert self.answered.wait(20)
        return FOUND

    def change(self) -> Any:
        return self.post("/api/instance/settings/shop", {"proxy": PROXY}, token=self.alice)

    def test_only_a_few_at_once(self) -> None:
        """Was red: each took one of the twelve places of those who work, and all of them stood still."""
        with ThreadPoolExecutor() as pool:
            under_way = [pool.submit(proxies.check, PROXY) for _ in range(proxies.LOOKED_UP_AT_ONCE)]
            try:
                for _ in under_way:
                    assert self.asked.acquire(timeout=20)
                answer = self.change()
                self.assert_error(answer, 503, BUSY)
                assert int(answer["Retry-After"]) > 0
                page = self.send("alice", f"/instances/{self.shop.uid}/settings/", proxy=PROXY)
                (said,) = get_messages(page.wsgi_request)
                assert str(said) == f"Nothing was saved: {proxies.ProxyBusy()}"
                self.shop.refresh_from_db()
                assert self.shop.proxy_url == ""
            finally:
                self.answered.set()
            for one in under_way:
                one.result()
        assert self.change().json()["proxy"]["url"] == PROXY

    def test_a_name_nobody_knows_gives_its_turn_back(self) -> None:
        with mock.patch("socket.getaddrinfo", side_effect=OSError):
            for _ in range(2 * proxies.LOOKED_UP_AT_ONCE):
                assert self.change().status_code == 400

    def test_the_others_work_meanwhile(self) -> None:
        self.answered.set()
        place = mock.Mock(spec=Place)
        crowd.at(place, proxies.check, PROXY)
        place.step_aside.assert_called_once_with()

    def test_a_connection_that_starts_waits_for_no_turn(self) -> None:
        """The connector has threads of its own for that."""
        self.answered.set()
        self.shop.proxy_url = PROXY
        with mock.patch.object(proxies, "_looking", threading.Semaphore(0)):
            assert proxies.address_of(self.shop) == "http://93.184.216.34:8080"
