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

What a connector asks each second it asks together with thousands of others, of
a table of a million instances: so nobody counts instances (each says in its row
how many it holds), and what nobody holds has an index of its own
(`tests/test_at_scale.py`; docs/scaling.md has the figures).
"""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Model, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from instances import labels
from instances.models import Connector, Instance
from instances.states import HELD
from portal.clock import steady

# At most so many instances are taken in one go, and handed over in one go.
TAKEN_AT_ONCE = 50
HANDED_AT_ONCE = 3
# Of what nobody holds no more is counted. There are more, then: enough for all to take so many.
COUNTED, FOR_ALL = 2_000, 10
# So many rows of its own a connector looks at with each claim, on the average.
OWN_AT_ONCE = 100
# Who has more neighbours than this looks at them less often, the more there are; the last is others a second.
NEIGHBOURS, LOOKED_AT = 50, 500
# Every so many claims one of all looks for instances whose connector is no more.
SWEEP = 60
# So many are told at once that there is no place for them.
TOLD_AT_ONCE = 500
FREED_AT_ONCE = 5_000
KEYS_AWAY = gettext_noop("its keys are on another machine")

# Which life of a connector's row this is, and how far it has come.
Beat = tuple[uuid.UUID, int]
Row = TypeVar("Row", bound=Model)


class Other(NamedTuple):
    """What a connector knows of another one: its row, as it was read last."""

    name: str
    run: uuid.UUID
    beat: int
    store: str
    labels: str
    draining: bool
    held: dict[str, int] | None


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
        self._others: list[Other] = []
        self._looked_at = float("-inf")
        # Whether what we know of the others is as new as what we hold.
        self._fresh = False
        # How many nobody holds that we could read the keys of, by their labels; and whether there is nothing for us.
        self._free: dict[str, int] = {}
        self._calm = False
        # Instance → epoch of what a connector held that we buried, and what could not be freed with it yet.
        self._left: dict[int, int] = {}
        self._claims = 0
        # How many nobody can hold whose keys no connector reads, when it was looked at last.
        self._keyless = 0
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
        self._kinds.clear()
        row = {"run": self.run, "store": self.store, "labels": self.labels, "held": {}, "seen_at": timezone.now()}
        with _shortly():
            if dead is not None:
                Connector.objects.filter(name=self.name, run=dead).delete()
            _row, made = Connector.objects.get_or_create(name=self.name, defaults=row)
        self._entered = made
        if made:
            self._until = began + settings.LEASE.total_seconds()
        else:
            self.look_around()
        return made

    def beat(self) -> bool:
        """Extend the lease; False when it is lost: we were silent for too long, and all that was ours is another's."""
        began = self._clock()
        if not self._row().update(beat=F("beat") + 1, seen_at=timezone.now(), held=self._counts()):
            self._entered, self._until = False, 0.0
            self.held.clear()
            self._kinds.clear()
            return False
        self._until = began + settings.LEASE.total_seconds()
        return True

    def drain(self) -> None:
        """Count for no share any more: others take what we let go."""
        self._row().update(draining=True)

    def leave(self) -> None:
        """Remove our row, and with it our hold on whatever is still ours."""
        self.held.clear()
        self._kinds.clear()
        self._until = 0.0
        with _shortly():
            if self._row().delete()[0]:
                _free(Instance.objects.filter(owner=self.name))

    def _row(self) -> QuerySet[Connector]:
        return Connector.objects.filter(name=self.name, run=self.run)

    def _counts(self) -> dict[str, int]:
        return dict(Counter(self._kinds.values()))

    # --- The others -----------------------------------------------------------

    def look_around(self) -> int:
        """See who else is there, and remove the rows of those who have been silent for too long; returns how many.

        In a large fleet it does not look each time, as long as all is calm: thousands that read
        thousands of rows each second are millions, and one of them sees soon enough who is silent.
        """
        now = self._clock()
        if self._calm and now - self._looked_at < self._between_looks:
            return 0
        # Before the rows: what is taken meanwhile counts twice, and not never, which would be handed over for nothing.
        self._free = self._count_free()
        rows = [Other._make(row) for row in Connector.objects.exclude(run=self.run).values_list(*Other._fields)]
        self._looked_at = now = self._clock()
        seen = {row.name: self._seen.get(row.name) for row in rows}
        self._seen = {
            row.name: before if before is not None and before[0] == (row.run, row.beat) else ((row.run, row.beat), now)
            for row in rows
            for before in (seen[row.name],)
        }
        silent = [row for row in rows if now - self._seen[row.name][1] >= settings.LEASE.total_seconds()]
        gone_names = {row.name for row in silent}
        self._others = [row for row in rows if row.name not in gone_names]
        self.met_others |= bool(rows)
        gone = 0
        for row in silent:
            if (left := bury(row)) is not None:
                gone += 1
                self._left |= left
        if gone:
            self._free = self._count_free()
        self._fresh = True
        return gone

    @property
    def _between_looks(self) -> float:
        """Seconds. Half a lease at most: of all, some look at any moment."""
        there = len(self._others)
        return min(there / LOOKED_AT, settings.LEASE.total_seconds() / 2) if there > NEIGHBOURS else 0.0

    @property
    def fleet(self) -> int:
        """How many connectors there are, this one among them."""
        return len(self._others) + 1

    @property
    def _first(self) -> bool:
        """Whether we do what one of all does: the first by name."""
        return not any(row.name < self.name for row in self._others)

    # --- Instances ------------------------------------------------------------

    def shares(self) -> dict[str, int]:
        """How many instances are ours, by their labels, if all that can reach the same keys hold as many."""
        instances = Counter(self._kinds.values())
        many = max(COUNTED, FOR_ALL * self.fleet)
        instances.update({kind: count if count < COUNTED else many for kind, count in self._free.items()})
        unsaid = []
        for row in self._others:
            if row.store == self.store:
                instances.update(row.held or {})
                unsaid += [row.name] if row.held is None else []
        if unsaid:
            counted = Instance.objects.filter(owner__in=unsaid).values_list("labels").annotate(Count("pk")).order_by()
            instances.update(dict(counted))
        connectors = {self.name: self.labels} | {row.name: row.labels for row in self._peers()}
        return labels.spread(instances, connectors)[self.name]

    def claim(self) -> list[Instance]:
        """Take instances that nobody holds, up to our share; those that are no more are no longer held."""
        if self._claims % (1 + len(self.held) // OWN_AT_ONCE) == 0:
            self._look_at_own()
        if self._claims % SWEEP == 0 and self._first:
            with _shortly():
                _free(Instance.objects.exclude(owner="").exclude(owner__in=Connector.objects.values("name")))
        if self._left:
            self._free_left()
        self._claims += 1
        if not self._entered:
            return []
        self._free = self._count_free()
        self._calm = not any(labels.fits(kind, self.labels) for kind in self._free)
        taken: list[Instance] = []
        if self._calm:
            return taken
        held = Counter(self._kinds.values())
        for kind, share in self.shares().items():
            room = min(share - held[kind], TAKEN_AT_ONCE - len(taken))
            if room > 0 and kind in self._free:
                taken += self._take(kind, room)
        return taken

    def _look_at_own(self) -> None:
        """Whether what we hold is still ours, and under which labels."""
        mine = Instance.objects.filter(owner=self.name).values_list("pk", "epoch", "labels")
        found = {pk: (epoch, kind) for pk, epoch, kind in mine}
        self.held = {pk: epoch for pk, (epoch, _) in found.items() if self.held.get(pk) == epoch}
        self._kinds = {pk: found[pk][1] for pk in self.held}
        # Of our name and not held: a former process of our name woke up and took it.
        if strange := found.keys() - self.held.keys():
            with _shortly():
                # Or, when our row is gone, a later one that was given the name: then it is that one's.
                if _locked(self._row()).exists():
                    _free(Instance.objects.filter(owner=self.name, pk__in=strange))

    def _free_left(self) -> None:
        """Free what was not freed with its connector, because somebody held its row at that moment."""
        for pk, epoch in list(self._left.items()):
            # Under another epoch it is another's, or nobody's.
            row = Instance.objects.filter(pk=pk, epoch=epoch)
            with _shortly():
                _free(row)
            if not row.exists():
                del self._left[pk]

    def _nobodys(self) -> QuerySet[Instance]:
        return Instance.objects.filter(Q(key_store="") | Q(key_store=self.store), owner="")

    def _count_free(self) -> dict[str, int]:
        """How many nobody holds, by their labels; from the index alone, and one question when there are none."""
        return {kind: self._nobodys().filter(labels=kind)[:COUNTED].count() for kind in _kinds_of(self._nobodys())}

    def _take(self, kind: str, room: int) -> list[Instance]:
        """Some that nobody holds; what another takes at the same moment is left to it."""
        with _shortly():
            # Whoever buries us does it after the end of this, and then frees these too; or has done so before it.
            if self.seconds_left <= 0 or not _locked(self._row()).exists():
                return []
            free = _locked(self._nobodys().filter(labels=kind), but_others=True)
            taken = list(free[:room])
            if self.seconds_left <= 0:
                return []
            keys = [instance.pk for instance in taken]
            Instance.objects.filter(pk__in=keys).update(owner=self.name, epoch=F("epoch") + 1)
            for instance in taken:
                instance.owner, instance.epoch = self.name, instance.epoch + 1
            kinds = self._kinds | {instance.pk: instance.labels for instance in taken}
            self._row().update(held=dict(Counter(kinds.values())))
        self._kinds = kinds
        self.held |= {instance.pk: instance.epoch for instance in taken}
        return taken

    def surplus(self, idle: Iterable[int]) -> list[int]:
        """Which of these to hand over now, so that others come to their share; a few at a time.

        None while we know of the others only what was so before our last hand-over; and none of a kind
        of which nobody holds more than was counted: whoever wants more can have them.
        """
        if not self._fresh:
            return []
        shares = self.shares()
        over = {
            kind: count - shares.get(kind, 0)
            for kind, count in Counter(self._kinds.values()).items()
            if self._free.get(kind, 0) < COUNTED or not labels.fits(kind, self.labels)
        }
        chosen: list[int] = []
        for pk in idle:
            if len(chosen) == HANDED_AT_ONCE:
                break
            kind = self._kinds.get(pk)
            if kind is not None and over.get(kind, 0) > 0:
                over[kind] -= 1
                chosen.append(pk)
        return chosen

    def unplaced(self) -> tuple[int, list[tuple[Instance, str]]]:
        """How many instances no connector can hold, and some whose state does not say so yet, with why.

        By their labels; or because none that runs reads the keys of their devices. That is looked at now and then
        alone: of a fleet that starts, it reads all. Told to the first by name alone, who says so.
        """
        if not self._first:
            return 0, []
        free = Instance.objects.filter(owner="")
        told: list[tuple[Instance, str]] = []
        number = 0
        if kinds := labels.unmatched(_kinds_of(free), [self.labels, *(row.labels for row in self._others)]):
            unmatched = free.filter(labels__in=kinds)
            number = unmatched.count()
            told += ((one, one.labels) for one in unmatched.filter(state__in=HELD)[:TOLD_AT_ONCE])
        if self._claims % SWEEP == SWEEP // 2:
            stores = {"", self.store, *(row.store for row in self._others)}
            keyless = free.exclude(labels__in=kinds).exclude(key_store__in=stores)
            self._keyless = keyless.count()
            told += ((one, KEYS_AWAY) for one in keyless.filter(state__in=HELD)[:TOLD_AT_ONCE])
        return number + self._keyless, told

    def release(self, instance: int, under: int | None = None) -> None:
        """Let an instance go, for another to take. Whoever calls has closed its connection before.

        `under`: only if it is still held under this epoch, and was not lost and taken again meanwhile.
        """
        if under is not None and self.held.get(instance) != under:
            return
        epoch = self.held.pop(instance, 0)
        self._kinds.pop(instance, None)
        self._fresh = False
        with _shortly():
            self._row().update(held=self._counts())
            Instance.objects.filter(pk=instance, owner=self.name, epoch=epoch).update(owner="")

    def _peers(self) -> list[Other]:
        """Others that could take what we hold."""
        return [row for row in self._others if row.store == self.store and not row.draining]


def bury(row: Connector | Other) -> dict[int, int] | None:
    """Remove one that was silent for long enough, and free what it held; None: it has just given a sign of life.

    Else which of its instances, with their epochs, could not be freed because somebody holds their rows. Waits for
    nobody: one instance whose row is held, by a process that stands still perhaps, must not keep the others from
    being taken over.
    """
    with _shortly():
        there = Connector.objects.filter(name=row.name, run=row.run, beat=row.beat)
        # One that is held gives a sign of life at this moment, or takes something, or is being buried.
        if not _locked(there, but_others=True).exists():
            return None
        there.delete()
        its = Instance.objects.filter(owner=row.name)
        _free(its)
        return dict(its.values_list("pk", "epoch"))


@contextmanager
def _shortly() -> Iterator[None]:
    """A transaction that holds locks; whoever falls silent in its midst (stands still, is cut off) loses them soon.

    Else nobody could bury that connector until its connection is given up, hours later. Nor does it wait for others'
    locks for long (then: OperationalError): the thread that it is on must beat.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            milliseconds = round(settings.LEASE.total_seconds() * 1000)
            with connection.cursor() as cursor:
                # Of this transaction alone: a pgbouncer gives the connection to others afterwards.
                cursor.execute(
                    f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds // 3};"
                    f" SET LOCAL lock_timeout = {max(1, milliseconds // 6)}"
                )
        yield


def _free(instances: QuerySet[Instance]) -> None:
    """Take instances from their owner; the epoch moves on at once, so what that one still writes comes to nothing.

    Those whose rows others hold at this moment are left as they are.
    """
    free_to_change = _locked(instances, but_others=True).values_list("pk", flat=True)
    while keys := list(free_to_change[:FREED_AT_ONCE]):
        Instance.objects.filter(pk__in=keys).update(owner="", epoch=F("epoch") + 1)
        if len(keys) < FREED_AT_ONCE:
            break


def _kinds_of(instances: QuerySet[Instance]) -> list[str]:
    """The labels that these have, each once: from one to the next, for an index has them in their order."""
    found: list[str] = []
    ordered = instances.order_by("labels").values_list("labels", flat=True)
    kind = ordered.first()
    while kind is not None:
        found.append(kind)
        kind = ordered.filter(labels__gt=kind).first()
    return found


def _locked(rows: QuerySet[Row], *, but_others: bool = False) -> QuerySet[Row]:
    """Lock these until the transaction ends; `but_others`: not those that others hold locked.

    SQLite's transactions exclude each other from the start.
    """
    return rows.select_for_update(skip_locked=but_others) if connection.features.has_select_for_update else rows
