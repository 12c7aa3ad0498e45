"""Labels say where an instance may run: `region=eu,proxy=home`.

A connector is started with those that hold for it (CONNECTOR_LABELS); an
instance goes only to connectors that have all of its own. One without labels
goes to any, as a pod without a selector does.
"""

import re
from collections import defaultdict
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
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name, offered in connectors.items():
        alike[offered].append(name)
    takers = {
        kind: [name for offered, names in alike.items() if fits(kind, offered) for name in names] for kind in instances
    }
    loads = dict.fromkeys(connectors, 0)
    for kind in sorted(instances, key=lambda kind: (len(takers[kind]), kind)):
        for name, count in _pour(instances[kind], {name: loads[name] for name in takers[kind]}).items():
            shares[name][kind] = count
            loads[name] += count
    return shares


def _pour(count: int, loads: Mapping[str, int]) -> dict[str, int]:
    """Add `count` to the lowest loads until all of these are level; the first by name get one more."""
    if not loads:
        return {}
    order = sorted(loads, key=lambda name: (loads[name], name))
    # A fleet is thousands of connectors, each of which reckons this: one pass.
    level, among = 0, 0
    for name in order:
        if among and count <= loads[name] * among - level:
            break
        level, among = level + loads[name], among + 1
    lowest = order[:among]
    each, more = divmod(count + level, among)
    return {name: each + (place < more) - loads[name] for place, name in enumerate(sorted(lowest))}


def unmatched(kinds: Iterable[str], offered: Iterable[str]) -> list[str]:
    """The labels of instances that no connector may hold."""
    present = set(offered)
    return [kind for kind in kinds if not any(fits(kind, labels) for labels in present)]
