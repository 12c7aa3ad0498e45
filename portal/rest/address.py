"""Who is at the other end of the connection, as far as it can be believed."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

# One household or server usually holds a whole /64 of IPv6: who counts single
# addresses there gives every caller 2^64 buckets.
IPV6_PREFIX = 64


def client_address(request: HttpRequest) -> str:
    """The caller's address as a bucket's name: an IPv4 address, or the /64 of an IPv6 one.

    With TRUSTED_PROXIES = n the n-th entry of X-Forwarded-For from the right
    counts, which is what the outermost of our own proxies saw; all entries left
    of it come from the caller, who may write there what they like. With fewer
    entries than proxies, or an unreadable one, the connection's address counts.
    """
    peer = request.META.get("REMOTE_ADDR") or ""
    hops = settings.TRUSTED_PROXIES
    if hops > 0:
        entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(entries) >= hops and (forwarded := _network(entries[-hops])):
            return forwarded
    # A Unix socket has no address: all its callers share one bucket.
    return _network(peer) or "unknown"


def _network(entry: str) -> str:
    """The bucket's name for one address, or nothing when it is none."""
    entry = entry.strip()
    if entry.startswith("["):  # [2001:db8::1]:443
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:  # 192.0.2.1:443
        entry = entry.partition(":")[0]
    try:
        address = ipaddress.ip_address(entry.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    # ::ffff:192.0.2.1, as a dual-stack socket shows IPv4 callers: under a /64
    # all of IPv4 would be one caller.
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False).network_address)
