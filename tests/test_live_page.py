"""`/live/`: who goes on hearing, once a stream has begun."""

from collections.abc import Callable, Container
from unittest import mock

from portal.live import A_PERSON, CROWDED, FULL, TooMany
from tests.page_base import PageTestCase


class LivePage(PageTestCase):
    def begin(self, who: str) -> Callable[[], Container[str] | None]:
        """Open a stream, and answer with what it asks at each beat."""
        self.become(who)
        self.enterContext(mock.patch("portal.views.live.hub", mock.Mock(away=False)))
        with mock.patch("portal.views.live.stream", return_value=iter(())) as stream:
            assert self.client.get("/live/").status_code == 200
        _listener, refresh, *_ = stream.call_args.args
        look: Callable[[], Container[str] | None]
        (look,) = refresh.args
        return look

    def test_it_works(self) -> None:
        heard = self.begin("bob")()
        assert heard is not None
        assert self.shop.uid.hex in heard
        assert self.desk.uid.hex not in heard

    def test_who_may_hear_no_more(self) -> None:
        """Was red: with a stolen session one went on hearing after the password was changed elsewhere."""
        bob = self.people["bob"]

        def changed_password() -> None:
            bob.set_password("another one")
            bob.save()

        def left() -> None:
            bob.is_active = False
            bob.save()

        for what in (changed_password, self.client.logout, left):
            with self.subTest(what.__name__):
                look = self.begin("bob")
                assert look() is not None
                what()
                assert look() is None

    def test_too_many(self) -> None:
        self.become("bob")
        busy = mock.Mock(away=False)
        busy.check.side_effect = TooMany(429, "close some")
        with mock.patch("portal.views.live.hub", busy):
            answer = self.client.get("/live/")
        assert (answer.status_code, answer.content, answer["Retry-After"]) == (429, b"close some", "60")
        busy.check.assert_called_once_with(f"person {self.people['bob'].pk}", A_PERSON)

    def test_and_why_is_said_in_the_readers_language(self) -> None:
        self.become("bob")
        self.client.cookies["django_language"] = "pt"
        busy = mock.Mock(away=False)
        for said, shown in ((FULL.format(20), "Já há 20 conexões abertas"), (CROWDED, "Há conexões demais abertas")):
            busy.check.side_effect = TooMany(429, said)
            with mock.patch("portal.views.live.hub", busy):
                assert self.client.get("/live/").content.decode().startswith(shown)
