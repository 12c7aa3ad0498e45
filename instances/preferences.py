"""What an instance does by itself: changed here, for pages and the API, and applied at once."""

from typing import Any

from instances import keeping, proxies
from instances.models import Instance
from instances.whatsapp import service
from instances.whatsapp.errors import WhatsAppError

# As callers of the API name them.
SWITCHES = {
    "rejectCalls": "reject_calls",
    "ignoreGroups": "ignore_groups",
    "keepOnline": "keep_online",
    "readMessages": "read_automatically",
}
# What the connection goes by.
FIELDS = [*SWITCHES.values(), "proxy_url", "proxy_password"]


def change(instance: Instance, changes: dict[str, Any]) -> bool:
    """Save `changes` (a field's name and value each), and let the connection go by them.

    False when no connector holds the instance just now; the next one that does
    goes by them.
    """
    if not changes:
        return True
    for name, value in changes.items():
        setattr(instance, name, value)
    instance.save(update_fields=list(changes))
    # How long messages are kept is none of the connection's business: the housekeeping looks it up.
    if not any(name in FIELDS for name in changes):
        return True
    try:
        service.apply_preferences(instance)
    except WhatsAppError:
        return False
    return True


def in_words(instance: Instance, changes: dict[str, Any]) -> str:
    """What is about to be changed, for the audit.

    Names alone: what a proxy's address says is nobody else's. But of the days
    that messages are kept both numbers: it is what explains why some are gone.
    """
    names = [name for name in changes if name not in ("proxy_password", "keep_days")]
    if "keep_days" in changes:
        before, after = keeping.in_words(instance.keep_days), keeping.in_words(changes["keep_days"])
        names.append(f"keep_days: {before} → {after}" if before != after else f"keep_days: {after}")
    return ", ".join(names)


def proxy_changes(instance: Instance, text: str, password: str | None = None) -> dict[str, Any]:
    """What naming this proxy changes; an empty one means none. Raises proxies.InvalidProxy.

    `password`: beside the address, where there is a field of its own. Without
    any, the one that is there stays, for the same proxy and user alone: nobody
    learns it by naming another host.
    """
    if not text:
        return {"proxy_url": "", "proxy_password": ""}
    proxy = proxies.parse(text)
    if len(secret := password or proxy.password) > 200:
        raise proxies.InvalidProxy("The proxy's password has more than 200 characters.")
    if secret and "@" not in proxy.url:
        raise proxies.InvalidProxy(proxies.NO_USER)
    proxies.check(proxy.url)
    if not secret and proxy.url == instance.proxy_url:
        secret = instance.proxy_password
    return {"proxy_url": proxy.url, "proxy_password": secret}


def shown(instance: Instance) -> dict[str, Any]:
    """As the API shows them; of the proxy's password, only that there is one."""
    proxy = {"url": instance.proxy_url, "hasPassword": bool(instance.proxy_password)} if instance.proxy_url else None
    switches = {name: getattr(instance, field) for name, field in SWITCHES.items()}
    return {**switches, "keepDays": instance.keep_days, "proxy": proxy}
