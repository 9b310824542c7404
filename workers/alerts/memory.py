"""What the alert engine knows of one partition's conditions and of one-shot alerts that may be repeated."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec.structs import replace

from topics.partitions import digest
from topics.records import Alert, AlertState
from workers.alerts.identity import holder_of

MOST_ENGAGED: Final = 100_000
"""Most conditions of one partition that are engaged at a time; those beyond are counted and not told."""

MOST_REMEMBERED: Final = 50_000
"""Most released conditions and one-shot alerts of one partition that are remembered."""

MOST_HEARD: Final = 32
"""Of a one-shot alert so many that repeated it are known by their ids."""

Place = tuple[int, int]
"""Where something was done: the offset of the alert topic's message, and a number that counts within it."""


class Standing:
    """How one identity stands; the fields are those of :class:`topics.records.AlertState`."""

    __slots__ = (
        "acknowledged",
        "alert",
        "heard",
        "holders",
        "id",
        "notifications",
        "notified",
        "period",
        "status",
        "time",
        "withheld",
    )

    def __init__(self, identity: str, alert: Alert, status: Literal["engaged", "released", "stored"]) -> None:
        self.id = identity
        self.alert = alert
        self.status: Literal["engaged", "released", "stored"] = status
        self.time = alert.time
        self.holders: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.acknowledged = ""
        self.notifications = 0
        self.withheld = ""
        self.period = 0
        self.notified = 0

    @classmethod
    def of(cls, record: AlertState) -> Standing:
        """What a record says."""
        found = cls(record.id, record.alert, record.status)
        found.time = record.time
        found.holders = dict(record.holders)
        found.heard = dict(record.heard)
        found.acknowledged = record.acknowledged
        found.notifications = record.notifications
        found.withheld = record.withheld
        found.period = record.period
        found.notified = record.notified
        return found

    def record(self, place: Place, told: list[str]) -> AlertState:
        """The record that says this; ``told`` are the notifications it comes with."""
        return AlertState(
            id=self.id,
            time=self.time,
            alert=self.alert,
            status=self.status,
            holders=self.holders,
            heard=self.heard,
            told=told,
            acknowledged=self.acknowledged,
            notifications=self.notifications,
            withheld=self.withheld,
            period=self.period,
            notified=self.notified,
            offset=place[0],
            ordinal=place[1],
        )

    def notified_in(self, period: int) -> int:
        """How many notifications there were in this hour, or in a later one that there were some in."""
        if period > self.period:
            self.period, self.notified = period, 0
        return self.notified

    def last_heard(self) -> int:
        """When somebody last said something of it."""
        return max(self.heard.values(), default=self.time)


class AlertMemory:
    """The standings of one partition, within limits.

    What has changed and is not published yet is known (:meth:`dirty`), and so is, after a start, what was
    decided by a process before this one and published without being committed (:meth:`decided`).
    """

    def __init__(self, most_engaged: int = MOST_ENGAGED, most_remembered: int = MOST_REMEMBERED) -> None:
        self._most_engaged = most_engaged
        self._most_remembered = most_remembered
        self._engaged: dict[str, Standing] = {}
        # Ordered: the first of a plain one is behind the gaps of all that went before it.
        self._others: OrderedDict[str, Standing] = OrderedDict()
        self._dirty: dict[str, None] = {}
        self._forgotten: dict[str, None] = {}
        self._decisions: dict[Place, AlertState] = {}

    def restore(self, records: Iterable[AlertState], known: int) -> None:
        """Begin with what was so as of an offset: the newest of each identity up to there.

        What was published for later offsets is kept as decisions on the events that will be read again.
        """
        newest: dict[str, AlertState] = {}
        for record in records:
            if record.offset > known:
                if record.told:
                    self._decisions[record.offset, record.ordinal] = record
                continue
            before = newest.get(record.id)
            if before is None or (record.offset, record.ordinal) >= (before.offset, before.ordinal):
                newest[record.id] = record
        for record in sorted(newest.values(), key=lambda record: (record.offset, record.ordinal)):
            standing = Standing.of(record)
            (self._engaged if standing.status == "engaged" else self._others)[standing.id] = standing

    def decided(self, place: Place, identity: str) -> AlertState | None:
        """What was decided on the event at this place before this process began, where it was told of."""
        if not self._decisions:
            return None
        record = self._decisions.pop(place, None)
        return record if record is not None and record.id == identity else None

    def get(self, identity: str) -> Standing | None:
        """How an identity stands, if that is known."""
        return self._engaged.get(identity) or self._others.get(identity)

    def is_full(self) -> bool:
        """True when no further condition can be engaged."""
        return len(self._engaged) >= self._most_engaged

    def engaged(self) -> Iterator[Standing]:
        """Every condition that is engaged."""
        yield from self._engaged.values()

    def others(self) -> Iterator[Standing]:
        """What is remembered and not engaged, least lately changed first."""
        yield from self._others.values()

    def put(self, standing: Standing, *, published: bool = False) -> None:
        """Take note of a standing that has changed; ``published`` says that its record is on its way."""
        identity = standing.id
        self._engaged.pop(identity, None)
        self._others.pop(identity, None)
        self._forgotten.pop(identity, None)
        self._dirty.pop(identity, None)
        if not published:
            self._dirty[identity] = None
        if standing.status == "engaged":
            self._engaged[identity] = standing
            return
        self._others[identity] = standing
        if len(self._others) > self._most_remembered:
            self.forget(next(iter(self._others)))

    def forget(self, identity: str) -> None:
        """Let go of what is not engaged."""
        del self._others[identity]
        self._dirty.pop(identity, None)
        self._forgotten[identity] = None

    def dirty(self) -> Iterator[Standing]:
        """What has changed and was not published, once."""
        dirty, self._dirty = self._dirty, {}
        for identity in dirty:
            standing = self.get(identity)
            if standing is not None:
                yield standing

    def forgotten(self) -> list[str]:
        """The identities that have been let go of, once."""
        forgotten, self._forgotten = self._forgotten, {}
        return list(forgotten)


def begun(identity: str, alert: Alert, before: Standing | None) -> Standing:
    """The standing of a condition that is engaged by this event, in a new episode."""
    again = before.alert.episode if before is not None and before.alert.began == alert.time else ""
    episode = digest("episode", identity, alert.time, alert.id, again)
    standing = Standing(identity, replace(alert, episode=episode, began=alert.time, count=1), "engaged")
    if before is not None:
        standing.heard = before.heard
        standing.period, standing.notified = before.period, before.notified
    standing.holders = {holder_of(alert): alert.time}
    return standing
