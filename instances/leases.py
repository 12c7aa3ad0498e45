"""Which connector holds which instance, and until when: the lease.

A connector has one row (`Connector`), whose `beat` it moves on every second. An
instance names its owner, and an epoch that grows with every change of owner.

No clock is compared with another one. A connector trusts its lease for LEASE
seconds of its own clock, counted from just before the beat was written. Others
take it for dead when they have seen the same beat for LEASE seconds of their
own clocks, counted from just after they read it, which is later; and its row is
removed only if the beat is still that one. So whoever takes over does it when
the former owner has stopped trusting itself, however slow the database was,
however long a process stood still, whatever any clock shows.
`tests/test_lease_model.py` tries arbitrary orders of all that.
"""

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from instances import labels
from instances.models import Connector, Instance

# At most so many instances are taken in one go, and handed over in one go.
TAKEN_AT_ONCE = 50
HANDED_AT_ONCE = 3

# Which life of a connector's row this is, and how far it has come.
Beat = tuple[uuid.UUID, int]


def steady() -> float:
    """Seconds on a clock that nobody sets; it runs on while the machine sleeps, where the system has such a one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """A connector's hold on its instances: one thread calls; `holds` and `good` may be asked from any."""

    def __init__(self, name: str, store: str, clock: Callable[[], float] = steady, offered: str = "") -> None:
        """`store`: names where the keys of its sessions lie (`instances.whatsapp.keys`); `offered`: its labels."""
        self.name, self.store, self.labels = name, store, offered
        self.run = uuid.uuid4()
        # Instance → the epoch under which we hold it, and its labels.
        self.held: dict[int, int] = {}
        self._kinds: dict[int, str] = {}
        self._clock = clock
        self._until = 0.0
        self._entered = False
        # When each of the others was first seen at its present beat, on our clock.
        self._seen: dict[str, tuple[Beat, float]] = {}
        self._others: list[Connector] = []
        # Whether there have ever been others, of whom one may be asleep.
        self.met_others = False

    # --- What we may do now -------------------------------------------------

    @property
    def seconds_left(self) -> float:
        """How long the lease may still be trusted; not above zero: not at all."""
        return self._until - self._clock()

    @property
    def good(self) -> bool:
        """Whether there is time left to put something on the wire."""
        return self.seconds_left > settings.LEASE_MARGIN.total_seconds()

    def holds(self, instance: int, epoch: int) -> bool:
        """Whether the instance is ours, under this epoch, at this moment."""
        return self.held.get(instance) == epoch and self.good

    # --- Our own row ----------------------------------------------------------

    def enter(self, dead: uuid.UUID | None = None) -> bool:
        """Make our row; False while another process has one of this name, and may be alive.

        `dead`: a process that is known to have ended (we hold its lock). Its
        instances are taken up at once, those of any other when it is silent.
        """
        began = self._clock()
        self.run = uuid.uuid4()
        self.held.clear()
        with transaction.atomic():
            if dead is not None:
                Connector.objects.filter(name=self.name, run=dead).delete()
            _row, made = Connector.objects.get_or_create(
                name=self.name,
                defaults={"run": self.run, "store": self.store, "labels": self.labels, "seen_at": timezone.now()},
            )
        self._entered = made
        if made:
            self._until = began + settings.LEASE.total_seconds()
        else:
            self.look_around()
        return made

    def beat(self) -> bool:
        """Extend the lease; False when it is lost: we were silent for too long, and all that was ours is another's."""
        began = self._clock()
        mine = Connector.objects.filter(name=self.name, run=self.run)
        if not mine.update(beat=F("beat") + 1, seen_at=timezone.now()):
            self._entered, self._until = False, 0.0
            self.held.clear()
            return False
        self._until = began + settings.LEASE.total_seconds()
        return True

    def drain(self) -> None:
        """Count for no share any more: others take what we let go."""
        Connector.objects.filter(name=self.name, run=self.run).update(draining=True)

    def leave(self) -> None:
        """Remove our row, and with it our hold on whatever is still ours."""
        self.held.clear()
        self._until = 0.0
        Connector.objects.filter(name=self.name, run=self.run).delete()

    # --- The others -----------------------------------------------------------

    def look_around(self) -> int:
        """See who else is there, and remove the rows of those who have been silent for too long; returns how many."""
        rows = list(Connector.objects.exclude(run=self.run))
        now = self._clock()
        seen = {row.name: self._seen.get(row.name) for row in rows}
        self._seen = {
            row.name: before if before is not None and before[0] == (row.run, row.beat) else ((row.run, row.beat), now)
            for row in rows
            for before in (seen[row.name],)
        }
        silent = [row for row in rows if now - self._seen[row.name][1] >= settings.LEASE.total_seconds()]
        self._others = [row for row in rows if row not in silent]
        self.met_others |= bool(rows)
        return sum(_remove(row) for row in silent)

    # --- Instances ------------------------------------------------------------

    def shares(self) -> dict[str, int]:
        """How many instances are ours, by their labels, if all that can reach the same keys hold as many."""
        connectors = {self.name: self.labels} | {row.name: row.labels for row in self._peers()}
        kinds = self._within_reach().values_list("labels").annotate(Count("pk")).order_by()
        return labels.spread(dict(kinds), connectors)[self.name]

    def claim(self) -> list[Instance]:
        """Take instances that nobody holds, up to our share; those that are no more are no longer held."""
        mine = Instance.objects.filter(owner=self.name, pk__in=list(self.held)).values_list("pk", "epoch", "labels")
        still = [(pk, epoch, kind) for pk, epoch, kind in mine if self.held.get(pk) == epoch]
        self.held = {pk: epoch for pk, epoch, _ in still}
        self._kinds = {pk: kind for pk, _, kind in still}
        # Of our name and not held: a former process of our name woke up and took it.
        _free(Instance.objects.filter(owner=self.name).exclude(pk__in=list(self.held)))
        if not self._entered:
            return []
        taken: list[Instance] = []
        held = Counter(self._kinds.values())
        for kind, share in self.shares().items():
            room = min(share - held[kind], TAKEN_AT_ONCE - len(taken))
            if room > 0:
                taken += self._claim_of(kind, room)
        return taken

    def _claim_of(self, kind: str, room: int) -> list[Instance]:
        owners = Connector.objects.values("name")
        free = self._within_reach().filter(labels=kind).exclude(owner=self.name).exclude(owner__in=owners)
        # Two who claim at once should not both reach for the same ones.
        found = list(free[: 2 * room])
        random.shuffle(found)
        return [instance for instance in found[:room] if self._take(instance)]

    def surplus(self, idle: Iterable[int]) -> list[int]:
        """Which of these to hand over now, so that others come to their share; a few at a time."""
        shares = self.shares()
        over = {kind: count - shares.get(kind, 0) for kind, count in Counter(self._kinds.values()).items()}
        chosen: list[int] = []
        for pk in idle:
            if len(chosen) == HANDED_AT_ONCE:
                break
            kind = self._kinds.get(pk)
            if kind is not None and over[kind] > 0:
                over[kind] -= 1
                chosen.append(pk)
        return chosen

    def unplaced(self) -> list[Instance]:
        """Instances that no connector may hold, by their labels; told to the first by name alone, who says so."""
        if any(row.name < self.name for row in self._others):
            return []
        offered = [self.labels, *(row.labels for row in self._others)]
        free = Instance.objects.filter(owner="")
        kinds = labels.unmatched(free.values_list("labels", flat=True).distinct().order_by(), offered)
        return list(free.filter(labels__in=kinds)) if kinds else []

    def release(self, instance: int) -> None:
        """Let an instance go, for another to take. Whoever calls has closed its connection before."""
        epoch = self.held.pop(instance, 0)
        self._kinds.pop(instance, None)
        Instance.objects.filter(pk=instance, owner=self.name, epoch=epoch).update(owner="")

    def _peers(self) -> list[Connector]:
        """Others that could take what we hold."""
        return [row for row in self._others if row.store == self.store and not row.draining]

    def _within_reach(self) -> QuerySet[Instance]:
        """Instances whose keys we can read, and those that have none yet."""
        return Instance.objects.filter(Q(key_store="") | Q(key_store=self.store))

    def _take(self, instance: Instance) -> bool:
        """Compare and swap: of several who try at once, one moves the epoch on."""
        if self.seconds_left <= 0:
            return False
        found = Instance.objects.filter(pk=instance.pk, epoch=instance.epoch, owner=instance.owner)
        if not found.update(owner=self.name, epoch=instance.epoch + 1):
            return False
        try:
            instance.refresh_from_db()
        except Instance.DoesNotExist:
            return False
        self.held[instance.pk] = instance.epoch
        self._kinds[instance.pk] = instance.labels
        return True


@transaction.atomic
def _remove(row: Connector) -> bool:
    """Bury a connector, unless it has just given a sign of life."""
    buried, _ = Connector.objects.filter(name=row.name, run=row.run, beat=row.beat).delete()
    if buried:
        _free(Instance.objects.filter(owner=row.name))
    return bool(buried)


def _free(instances: QuerySet[Instance]) -> None:
    """Take instances from their owner; the epoch moves on at once, so what that one still writes comes to nothing."""
    instances.update(owner="", epoch=F("epoch") + 1)
