"""Labels say where an instance may run: `region=eu,proxy=home`.

A connector is started with those that hold for it (CONNECTOR_LABELS); an
instance goes only to connectors that have all of its own. One without labels
goes to any, as a pod without a selector does.
"""

import re
from collections.abc import Iterable, Mapping

from django.utils.translation import gettext as _

_LABEL = re.compile(r"[A-Za-z0-9._-]{1,40}=[A-Za-z0-9._-]{1,40}")
LONGEST = 200


class InvalidLabels(ValueError):
    """These are no labels; the text is for people."""


def normal(text: str) -> str:
    """Labels in the one form in which they are kept and compared: sorted, each name once. Raises InvalidLabels."""
    found = sorted({part.strip() for part in text.split(",")} - {""})
    names = {part.partition("=")[0] for part in found}
    whole = ",".join(found)
    if len(names) < len(found) or len(whole) > LONGEST or not all(_LABEL.fullmatch(part) for part in found):
        raise InvalidLabels(
            _(
                "Labels are written name=value with commas between, each name once: letters, digits, dots, hyphens and "
                "underscores, as in region=eu,proxy=home."
            )
        )
    return whole


def fits(wanted: str, offered: str) -> bool:
    """Whether a connector with the labels `offered` may hold an instance with the labels `wanted`."""
    return set(filter(None, wanted.split(","))) <= set(offered.split(","))


def spread(instances: Mapping[str, int], connectors: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """How many instances of each kind each connector holds, so that they hold as many as their labels allow.

    `instances`: their labels → how many; `connectors`: their names → their labels.
    The same for everybody who asks, whatever the order. Those that few can
    hold are placed first, and the others fill up what is left.
    """
    shares: dict[str, dict[str, int]] = {name: {} for name in connectors}
    takers = {kind: [name for name in connectors if fits(kind, connectors[name])] for kind in instances}
    for kind in sorted(instances, key=lambda kind: (len(takers[kind]), kind)):
        loads = {name: sum(shares[name].values()) for name in takers[kind]}
        for name, count in _pour(instances[kind], loads).items():
            shares[name][kind] = count
    return shares


def _pour(count: int, loads: Mapping[str, int]) -> dict[str, int]:
    """Add `count` to the lowest loads until all of these are level; the first by name get one more."""
    order = sorted(loads, key=lambda name: (loads[name], name))
    lowest: list[str] = []
    for position, name in enumerate(order):
        lowest.append(name)
        rest = order[position + 1 :]
        if rest and count <= sum(loads[rest[0]] - loads[one] for one in lowest):
            break
    if not lowest:
        return {}
    each, more = divmod(count + sum(loads[name] for name in lowest), len(lowest))
    return {name: each + (place < more) - loads[name] for place, name in enumerate(sorted(lowest))}


def unmatched(kinds: Iterable[str], offered: Iterable[str]) -> list[str]:
    """The labels of instances that no connector may hold."""
    present = list(offered)
    return [kind for kind in kinds if not any(fits(kind, labels) for labels in present)]
