"""Which IP addresses lie in the open internet: what people name for the portal to connect to must."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# An IPv4 address in the last 32 bits, which a gateway of the network translates to.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# All that is given out of IPv6. What lies elsewhere is somebody's own, as the
# site-local fec0::/10 of old networks, which Python takes for public.
_GIVEN_OUT = ipaddress.ip_network("2000::/3")


def read(text: str) -> Address:
    """The address that is written there, as the system writes them (fe80::1%eth0). Raises ValueError."""
    return ipaddress.ip_address(text.partition("%")[0])


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64 or int(address) >> 32 == 0:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether it leads out of every private network, whatever it is wrapped in."""
    found = unwrapped(address)
    if isinstance(found, ipaddress.IPv6Address) and found not in _GIVEN_OUT:
        return False
    return found.is_global and not found.is_multicast
