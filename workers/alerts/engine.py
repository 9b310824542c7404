"""The alert engine of one partition: from what stages and nodes say to what people are told.

Every alert that comes has one outcome: it is told (raised, changed, released, stored), or counted under the
reason why it is not. docs/explanation/alerts.md tells how this survives restarts: what follows from a
message of the alert topic carries that message's offset, and a stage that starts again takes up what was so as
of its commit point.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from tapline.checks.alert_types import severity_of
from tapline.policy.model import Alerting
from topics.partitions import digest
from topics.records import Alert, AlertState, Partial
from workers.alerts import outcomes as out
from workers.alerts.conditions import REASSERT_SECONDS
from workers.alerts.exclusions import Exclusions
from workers.alerts.identity import ANY_HOLDER, gist, holder_of, identity_of
from workers.alerts.memory import MOST_HEARD, AlertMemory, Place, Standing, begun
from workers.alerts.outbox import AlertOutbox
from workers.alerts.rate_limits import TypeLimits
from workers.alerts.summaries import HOUR, held_back, limited
from workers.environment import Environment
from workers.windows.outbox import Outgoing
from workers.windows.store import OwnerStore

REMEMBER_SECONDS: Final = 3600
"""For so long in event time, or ``alerting.repeat_seconds``, what is not engaged is remembered."""

SILENT: Final = "nobody has said anything of it for too long"

_SWEEP_SECONDS: Final = 600
_LIVE: Final = "live"
_DEAF: Final = 12
"""Where no other alert tells how time goes on, a live stream's windows do, after so many times as long."""
_QUIET_WINDOWS: Final = 1440
"""A stream of which nothing was said while so many windows of others have ended here is over."""
_MOST_STREAMS: Final = 500

_log = logging.getLogger(__name__)


class _Clock:
    """How far a stream has come, in epoch seconds: its windows, what stages say, and when it was looked through.

    ``heard`` is how many windows had ended on this partition when something was said of the stream.
    """

    __slots__ = ("heard", "said", "swept", "windows")

    def __init__(self, windows: int = 0, said: int = 0, swept: int = 0, heard: int = 0) -> None:
        self.windows, self.said, self.swept, self.heard = windows, said, swept, heard


class AlertEngine:
    """The engine of one partition of the alert topic.

    :meth:`take` is given each alert, :meth:`window_ended` each window of any lane, :meth:`settle` follows when all
    has been done that a message led to and a commit point may come; what is to be published
    meanwhile is had by :meth:`drain`, in the order in which it has to be written.
    """

    def __init__(
        self, environment: Environment, partition: int, store: OwnerStore, memory: AlertMemory | None = None
    ) -> None:
        self._environment = environment
        self._partition = partition
        self._store = store
        self._memory = memory or AlertMemory()
        self._limits = TypeLimits()
        self._outcomes = out.Outcomes()
        self._clocks: dict[str, _Clock] = {}
        self._ended = 0
        self._loaded = False
        self._known = -1
        self._place: Place = (-1, 0)
        self._outbox = AlertOutbox(environment, partition)
        self._follow_policy()

    def restore(self, records: Iterable[AlertState], known: int) -> None:
        """Begin with what was published, of which all up to this offset of the alert topic is final."""
        self._known = known
        self._memory.restore(records, known)
        self._follow_policy()

    def take(self, alert: Alert, stream: str, window: int, offset: int, *, admitted: bool = True) -> None:
        """Take an alert that came, or was shown, at this offset; ``admitted`` is what the alert scripts say."""
        place = self._next_place(offset)
        if offset <= self._known:
            return
        self._load()
        if alert.stream != stream or not alert.severity or not alert.window:
            severity = alert.severity or severity_of(alert.score)
            alert = replace(alert, stream=stream, severity=severity, window=alert.window or window)
        passed = self._limits.passed(stream, alert.type, alert.time)
        if passed is not None:
            self._summarize(held_back(passed, self._alerting.per_type_minute, offset))
        if alert.instance or alert.script:
            self._tick(stream, said=alert.time // 1_000_000)
        identity = identity_of(alert, stream)
        decided = self._memory.decided(place, identity)
        if decided is not None:
            outcome = self._as_decided(decided)
        elif alert.action == "store":
            outcome = self._stored(identity, alert, admitted=admitted)
        elif alert.action == "trigger":
            outcome = self._triggered(identity, alert, admitted=admitted)
        else:
            outcome = self._released(identity, alert)
        self._outcomes.count(stream, alert.type, out.RECEIVED, outcome)

    def window_ended(self, stream: str, end: int, offset: int) -> list[Partial]:
        """Take note of a lane's window that ended at this epoch second; the counts to publish with it."""
        self._next_place(offset)
        if offset > self._known:
            self._load()
            self._tick(stream, windows=end)
            for held in list(self._limits.ended(stream, self._clocks[stream].windows)):
                self._summarize(held_back(held, self._alerting.per_type_minute, offset))
            self._sweep(stream, self._clocks[stream])
            self._ended += 1
            if self._ended % 60 == 0:
                self._sweep_quiet()
        return list(self._outcomes.partials(stream))

    def settle(self) -> None:
        """Put on its way, and into the store, what has changed; what is known is then as of this offset."""
        if self._place[0] <= self._known:
            return
        for standing in self._memory.dirty():
            self._place = (self._place[0], self._place[1] + 1)
            self._publish(standing, [])
        for identity in self._memory.forgotten():
            self._outbox.put(identity, "", 0, None)
        out.ENGAGED.labels(str(self._partition)).set(sum(1 for _ in self._memory.engaged()))
        if self._limits.changed:
            self._store["limits"] = self._limits.value()
            self._limits.changed = False
        if self._outcomes.changed:
            self._store["outcomes"] = self._outcomes.value()
            self._outcomes.changed = False
        clocks = {
            stream: [clock.windows, clock.said, clock.swept, clock.heard] for stream, clock in self._clocks.items()
        }
        self._store["clocks"] = {"ended": self._ended, "streams": clocks}

    def drain(self) -> list[Outgoing]:
        """What is to be published, states before the notifications that follow from them."""
        return self._outbox.drain()

    def _stored(self, identity: str, alert: Alert, *, admitted: bool) -> str:
        before = self._memory.get(identity)
        if before is not None:
            known = alert.id in before.heard
            if known or abs(alert.time - before.time) < self._alerting.repeat_seconds * 1_000_000:
                before.alert = replace(before.alert, count=before.alert.count + 1)
                _hear_of(before, alert)
                self._memory.put(before)
                return out.REPEATED
        standing = before or Standing(identity, replace(alert, count=0), "stored")
        reason = self._withheld(standing, alert, admitted=admitted)
        if reason:
            if before is not None:
                self._memory.put(before)
            return reason
        episode = digest("notification", identity, alert.id)
        standing.time = alert.time
        _hear_of(standing, alert)
        self._tell(standing, alert, "stored", episode, episode, count=standing.alert.count + 1)
        return out.STORED

    def _triggered(self, identity: str, alert: Alert, *, admitted: bool) -> str:
        standing = self._memory.get(identity)
        holder = holder_of(alert)
        if standing is not None and alert.time < standing.heard.get(holder, alert.time):
            return out.REFRESHED
        if standing is None or standing.status != "engaged":
            if self._memory.is_full():
                _log.warning("no room for another condition: %s on %s is not told", alert.type, alert.entity)
                return out.OVERFLOW
            standing = begun(identity, alert, standing)
            self._follow_acknowledgement(standing)
        else:
            standing.holders.setdefault(holder, alert.time)
            standing.alert = replace(standing.alert, count=standing.alert.count + 1)
        standing.heard[holder] = alert.time
        standing.time = alert.time
        told = standing.alert
        if not standing.notifications:
            return self._begin(standing, alert, admitted=admitted)
        changed = alert.severity != told.severity or gist(alert.message) != gist(told.message)
        if changed and not standing.acknowledged:
            reason = self._withheld(standing, alert, admitted=admitted)
            if reason:
                self._memory.put(standing)
                return reason
            identity = digest("notification", told.episode, "changed", standing.notifications)
            self._tell(standing, alert, "changed", told.episode, identity, count=told.count)
            return out.CHANGED
        # What holds now is shown as it is; what was told, and when, stays.
        standing.alert = replace(
            alert, id=told.id, event=told.event, episode=told.episode, began=told.began, count=told.count
        )
        self._memory.put(standing)
        return out.ACKNOWLEDGED if changed else out.REFRESHED

    def _begin(self, standing: Standing, alert: Alert, *, admitted: bool) -> str:
        """Tell of an engaged condition of which nothing was told yet, if that may be."""
        before = standing.alert
        reason = self._withheld(standing, alert, admitted=admitted)
        if reason:
            standing.withheld = reason
            standing.alert = replace(alert, episode=before.episode, began=before.began, count=before.count)
            self._memory.put(standing)
            return reason
        standing.withheld = ""
        identity = digest("notification", before.episode, "raised")
        self._tell(standing, alert, "raised", before.episode, identity, count=before.count)
        return out.RAISED

    def _released(self, identity: str, alert: Alert) -> str:
        standing = self._memory.get(identity)
        holder = holder_of(alert)
        if standing is None or standing.status != "engaged" or alert.time < standing.heard.get(holder, alert.time):
            return out.REFRESHED
        if holder == ANY_HOLDER:
            standing.holders.clear()
        else:
            standing.holders.pop(holder, None)
            standing.heard[holder] = alert.time
        if standing.holders:
            self._memory.put(standing)
            return out.REFRESHED
        return self._end(standing, alert)

    def _end(self, standing: Standing, alert: Alert) -> str:
        """Release a condition that nobody holds; its end is told where its beginning was."""
        told = standing.alert
        standing.status = "released"
        standing.holders = {}
        standing.time = alert.time
        if not standing.notifications:
            self._memory.put(standing)
            return standing.withheld
        identity = digest("notification", told.episode, "released")
        self._tell(standing, alert, "released", told.episode, identity, count=told.count)
        return out.RELEASED

    def _as_decided(self, decided: AlertState) -> str:
        """Do again what a process before this one did with the event, and published without committing it."""
        standing = Standing.of(decided)
        self._memory.put(standing, published=True)
        alert = decided.alert
        if alert.event != "released":
            self._limits.made(alert.stream, alert.type, alert.time)
        self._publish(standing, decided.told)
        self._outbox.notify(alert)
        return alert.event

    def _withheld(self, standing: Standing, alert: Alert, *, admitted: bool) -> str:
        """Why an alert is not told; empty where it may be."""
        alerting = self._alerting
        if not admitted:
            return out.NOT_ADMITTED
        if alert.severity < alerting.minimum_severity:
            return out.BELOW_MINIMUM
        if self._exclusions.find(alert):
            return out.EXCLUDED
        if standing.notified_in(alert.time // HOUR) >= alerting.per_identity_hour:
            if 0 < standing.notified == alerting.per_identity_hour:
                standing.notified += 1
                self._summarize(limited(alert, alerting.per_identity_hour))
            return out.RATE_LIMITED
        if not self._limits.allows(alert.stream, alert.type, alert.time, alerting.per_type_minute):
            return out.RATE_LIMITED
        return ""

    def _tell(self, standing: Standing, alert: Alert, event: Any, episode: str, identity: str, *, count: int) -> None:
        began = alert.time if event == "stored" else standing.alert.began
        notification = replace(alert, id=identity, event=event, episode=episode, began=began, count=count)
        standing.alert = notification
        standing.notifications += 1
        if event != "released":
            standing.notified_in(alert.time // HOUR)
            standing.notified += 1
            self._limits.made(alert.stream, alert.type, alert.time)
        self._memory.put(standing, published=True)
        self._publish(standing, [identity])
        self._outbox.notify(notification)

    def _summarize(self, summary: Alert) -> None:
        self._outcomes.count(summary.stream, summary.subtype, out.SUMMARIES)
        self._outbox.notify(summary)

    def _publish(self, standing: Standing, told: list[str]) -> None:
        alert = standing.alert
        self._outbox.put(standing.id, alert.stream, alert.window, standing.record(self._place, told))

    def _sweep(self, stream: str, clock: _Clock) -> None:
        """Release conditions nobody speaks of, and forget what is over since long.

        Time is that of what stages say: windows of capture nodes come here long before what follows from them.
        """
        if max(clock.windows, clock.said) < clock.swept + _SWEEP_SECONDS:
            return
        clock.swept = max(clock.windows, clock.said)
        alerting = self._alerting
        silent = max(alerting.silent_seconds, 2 * REASSERT_SECONDS)
        remembered = max(REMEMBER_SECONDS, alerting.repeat_seconds)
        deaf = clock.windows if stream == _LIVE else 0
        for standing in self._of(stream, self._memory.engaged()):
            heard = standing.last_heard() // 1_000_000
            if clock.said - heard > silent or deaf - heard > _DEAF * silent:
                self._expire(standing, max(clock.said, heard))
        over = max(clock.said - remembered, deaf - _DEAF * remembered) * 1_000_000
        for standing in self._of(stream, self._memory.others()):
            if max(standing.time, standing.last_heard()) < over:
                self._memory.forget(standing.id)
        self._limits.forget(stream, clock.windows)

    def _sweep_quiet(self) -> None:
        """End streams of which nothing is said any more, as capture files that are through."""
        for stream, clock in list(self._clocks.items()):
            if self._ended - clock.heard <= _QUIET_WINDOWS:
                continue
            if stream != _LIVE:
                for standing in self._of(stream, self._memory.engaged()):
                    self._expire(standing, max(clock.said, standing.last_heard() // 1_000_000))
            for standing in self._of(stream, self._memory.others()):
                self._memory.forget(standing.id)
            del self._clocks[stream]

    def _of(self, stream: str, standings: Iterable[Standing]) -> list[Standing]:
        return [standing for standing in standings if standing.alert.stream == stream]

    def _expire(self, standing: Standing, second: int) -> None:
        told = standing.alert
        self._place = (self._place[0], self._place[1] + 1)
        attributes = {**told.attributes, "ended": SILENT}
        time = second * 1_000_000
        if self._end(standing, replace(told, action="release", time=time, attributes=attributes)) == out.RELEASED:
            self._outcomes.count(told.stream, told.type, out.EXPIRED)

    def _tick(self, stream: str, *, windows: int = 0, said: int = 0) -> None:
        clock = self._clocks.pop(stream, None) or _Clock(heard=self._ended)
        self._clocks[stream] = clock
        clock.windows, clock.said = max(windows, clock.windows), max(said, clock.said)
        if said:
            clock.heard = self._ended
        if len(self._clocks) > _MOST_STREAMS:
            del self._clocks[next(iter(self._clocks))]

    def _next_place(self, offset: int) -> Place:
        if self._environment.policy.version != self._version:
            self._follow_policy()
        number = self._place[1] + 1 if self._place[0] == offset else 1
        self._place = (offset, number)
        return self._place

    def _follow_policy(self) -> None:
        """Go by the policy now in force."""
        view = self._environment.policy
        self._version = view.version
        self._alerting: Alerting = view.policy.alerting
        self._exclusions = Exclusions(view.policy.exclusions)
        for standing in list(self._memory.engaged()):
            if self._follow_acknowledgement(standing):
                self._memory.put(standing)

    def _follow_acknowledgement(self, standing: Standing) -> bool:
        acknowledgement = self._environment.policy.policy.acknowledgements.get(standing.alert.episode)
        author = (acknowledgement.author or "somebody") if acknowledgement is not None else ""
        changed = standing.acknowledged != author
        standing.acknowledged = author
        return changed

    def _load(self) -> None:
        """Take up what the store holds, once: it is there when the stage has started."""
        if self._loaded:
            return
        self._loaded = True
        self._limits.restore(self._store.get("limits"))
        self._outcomes.restore(self._store.get("outcomes"))
        clocks = self._store.get("clocks") or {"ended": 0, "streams": {}}
        self._ended = clocks["ended"]
        self._clocks = {stream: _Clock(*times) for stream, times in clocks["streams"].items()}


def _hear_of(standing: Standing, alert: Alert) -> None:
    """Remember a one-shot alert by its id, and forget the one heard of least lately where there are many."""
    standing.heard.pop(alert.id, None)
    standing.heard[alert.id] = alert.time
    if len(standing.heard) > MOST_HEARD:
        del standing.heard[next(iter(standing.heard))]
