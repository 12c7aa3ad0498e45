"""By which address a caller without a token is counted."""

from django.test import RequestFactory, SimpleTestCase, override_settings

from portal.rest.address import client_address


class ClientAddress(SimpleTestCase):
    def address(self, peer: str, forwarded: str | None = None) -> str:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return client_address(RequestFactory(REMOTE_ADDR=peer).get("/api/", headers=headers))

    def test_the_connections_address_counts(self) -> None:
        assert self.address("192.0.2.1") == "192.0.2.1"
        assert self.address("192.0.2.1", "203.0.113.9") == "192.0.2.1"

    @override_settings(TRUSTED_PROXIES=1)
    def test_one_proxy(self) -> None:
        assert self.address("10.0.0.1", "203.0.113.9") == "203.0.113.9"
        assert self.address("10.0.0.1", "forged, 203.0.113.8,203.0.113.9 ") == "203.0.113.9"

    @override_settings(TRUSTED_PROXIES=2)
    def test_two_proxies(self) -> None:
        assert self.address("10.0.0.1", "203.0.113.8, 203.0.113.9, 10.0.0.2") == "203.0.113.9"
        assert self.address("10.0.0.1", "203.0.113.9") == "10.0.0.1"

    @override_settings(TRUSTED_PROXIES=1)
    def test_what_cannot_be_read_does_not_count(self) -> None:
        for nonsense in ("", "unknown", "203.0.113.256", ",", "[", "_hidden"):
            assert self.address("10.0.0.1", nonsense) == "10.0.0.1"

    @override_settings(TRUSTED_PROXIES=1)
    def test_ports(self) -> None:
        assert self.address("10.0.0.1", "203.0.113.9:4711") == "203.0.113.9"
        assert self.address("10.0.0.1", "[2001:db8:1:2:3:4:5:6]:4711") == "2001:db8:1:2::"

    def test_ipv6_counts_by_household(self) -> None:
        assert self.address("2001:db8:1:2:3:4:5:6") == self.address("2001:db8:1:2::9") == "2001:db8:1:2::"
        assert self.address("fe80::1%eth0") == "fe80::"

    def test_ipv4_in_ipv6_is_ipv4(self) -> None:
        assert self.address("::ffff:192.0.2.1") == "192.0.2.1"

    def test_a_unix_socket(self) -> None:
        assert self.address("") == "unknown"
