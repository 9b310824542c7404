"""Packet scripts: at work where packets are captured, and not on a partition of a topic.

There are no records to count and nothing to commit here: what scripts emit is handed to the capture node, which
publishes it with everything else of a window.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from msgspec import Struct

from tapline.groups import CounterGroup
from tapline.monitors import PacketMonitor
from tapline.script import Script
from topics.catalog import ALERT, MESSAGE, METRIC, Topic
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Endpoints, Metric, Record
from workers.counting.counts import ScriptCounts, checked
from workers.environment import Environment
from workers.scripting.guard import Hook
from workers.scripting.host import ScriptHost
from workers.scripting.jobs import Job, Waiting, in_job
from workers.scripting.reload import ScriptReloader
from workers.scripting.runtime import WindowRuntime
from workers.scripting.standing import STANDING
from workers.windows.outbox import Outbox

INSTANCE: Final = "packets-0"


class Emission(NamedTuple):
    """A record that scripts have made, where it goes, and the window it belongs to."""

    topic: Topic
    key: str
    record: Record
    window: int


class PacketAtHand(Protocol):
    """A packet that a display filter has let through."""

    @property
    def display_filter(self) -> str:
        """The filter."""

    @property
    def packet(self) -> Any:
        """The packet as pyshark has it."""

    @property
    def time(self) -> int:
        """When it was captured, microseconds since the epoch."""

    def ends(self) -> Endpoints:
        """The ends of the flow it belongs to."""


class _Emissions(Outbox):
    """Keeps what is emitted in a window as it is: the capture node makes messages of it."""

    def __init__(self, producer: str, stream: str, window: int, kept: list[Emission]) -> None:
        super().__init__(producer, stream, window, {})
        self._kept = kept
        self._of_window = window

    def put(self, topic: Topic, key: str, record: Struct) -> None:
        assert isinstance(record, Record)
        self._kept.append(Emission(topic, key, record, self._of_window))


class PacketWindowRuntime(WindowRuntime):
    """What packet scripts speak to."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment, INSTANCE)
        self.at_hand: PacketAtHand | None = None
        self._ends: Endpoints | None = None
        self._samples = 0

    def turn(self, packet: PacketAtHand) -> None:
        """This packet is the one at hand."""
        self.now = packet.time
        self.at_hand = packet
        self._ends = None

    def begin(self, stream: str, window: int, kept: list[Emission], jobs: list[Job]) -> None:
        """Let what is emitted from here on be kept for this window."""
        self.point(stream, window, _Emissions(INSTANCE, stream, window, kept), ScriptCounts(), jobs)
        # Conditions are kept there, and last as long as this process.
        self.stores.point(set())
        self._samples = 0

    def ends(self) -> Endpoints:
        if self.at_hand is None or in_job():
            raise RuntimeError("no packet is at hand: use self.ends in on_packet, and keep what it gives for later")
        if self._ends is None:
            self._ends = self.at_hand.ends()
        return self._ends

    def count(self, group: CounterGroup | str, key: str, meters: Mapping[str, int | float]) -> None:
        self._open_outbox()
        name, slots = self._definitions.sample_slots(group, meters)
        values = checked(key, meters)
        self._samples += 1
        sample = Metric(
            id=digest("packet-sample", self.stream, self.window, self._samples),
            time=self.now,
            group=name,
            key=key,
            meters={meter: value for (meter, _), value in zip(slots, values, strict=True)},
            kinds={meter: kind for meter, kind in slots if kind != "counter"},
        )
        self.emit(METRIC, f"{name}\x00{key}", sample)

    def emit(self, topic: Topic, key: str, record: Struct) -> None:
        if topic is MESSAGE:
            raise RuntimeError("a packet script cannot send messages: emit a resource or a document, and see to that")
        super().emit(topic, key, record)

    def store(self, script: Script) -> Any:
        raise RuntimeError(f"{script.script_name}: a packet script has no store: nothing is kept where packets are")


class PacketCore:
    """The packet scripts of one stream of packets, which is named ``stream``.

    Event time is the packets', and windows never run backwards: what scripts make of a packet that comes after its
    window has ended belongs to the one that is open. With a ``reloader`` scripts are loaded again when they change,
    where the packets have no end (:meth:`reach`).
    """

    def __init__(self, environment: Environment, stream: str, reloader: ScriptReloader | None = None) -> None:
        self.window = -1
        self._reloader = reloader
        self._looked = time.monotonic()
        self._environment = environment
        self._stream = stream
        self._host = ScriptHost(environment, PacketMonitor, INSTANCE)
        self._runtime = self._host.runtime = PacketWindowRuntime(environment)
        self._hooks: dict[str, list[Hook]] = {}
        self._host.changed.append(self._hooks.clear)
        self._kept: list[Emission] = []
        self._jobs: list[Job] = []
        self._second = 0
        self._told: dict[str, int] = {}
        self._names: set[str] = set()

    @property
    def display_filters(self) -> tuple[str, ...]:
        """The filters of the scripts, each once."""
        return tuple(
            dict.fromkeys(_filter_of(script.monitor) for script in self._environment.scripts.of(PacketMonitor))
        )

    def start(self) -> None:
        """Make the instances and let them load."""
        self._host.start()
        self._told = self._tallied()

    def stop(self) -> None:
        """Let the instances unload."""
        self._runtime.refuse("a packet script cannot emit when it is unloaded: its packets have ended")
        self._host.stop()

    def show(self, packets: Sequence[PacketAtHand]) -> list[Emission]:
        """Call the hooks for these packets; what was emitted."""
        runtime = self._runtime
        ticks = self._host.wants("on_metronome")
        for packet in packets:
            self._enter(_window_of(packet.time))
            if ticks:
                self._tick(packet.time // 1_000_000)
            runtime.turn(packet)
            for hook in self._hooks_for(packet.display_filter):
                hook(packet.packet)
        runtime.at_hand = None
        self._notice()
        return self._take()

    def reach(self, time: int) -> list[Emission]:
        """Event time has come to here, packets or not; what was emitted."""
        self._reload()
        self._enter(_window_of(time))
        if self._host.wants("on_metronome"):
            self._tick(time // 1_000_000)
        self._notice()
        return self._take()

    def finish(self) -> list[Emission]:
        """The packets have ended; what was emitted."""
        if self.window >= 0:
            self._close(final=True)
        self._notice()
        return self._take()

    def take_counts(self) -> dict[str, int]:
        """Hook calls and errors of the scripts since the last call."""
        now = self._tallied()
        more = {name: count - self._told.get(name, 0) for name, count in now.items()}
        self._told = now
        return {name: count for name, count in more.items() if count}

    def _reload(self) -> None:
        """Go over to the scripts that there are now, which are looked at now and then."""
        every = self._environment.settings.reload_seconds
        if self._reloader is None or not every or time.monotonic() - self._looked < every:
            return
        self._looked = time.monotonic()
        self._reloader.check()
        # Whoever runs no workers is told here.
        self._environment.notices.extend(self._environment.common_notices)
        self._environment.common_notices.clear()

    def _enter(self, window: int) -> None:
        if window <= self.window:
            return
        if self.window >= 0:
            self._close(final=False)
        self.window = window
        self._second = window
        self._runtime.begin(self._stream, window, self._kept, self._jobs)

    def _close(self, *, final: bool) -> None:
        runtime, host = self._runtime, self._host
        runtime.at_hand = None
        if host.wants("on_metronome"):
            self._tick(self.window + WINDOW_SECONDS)
        runtime.now = (self.window + WINDOW_SECONDS) * 1_000_000
        deadline = time.monotonic() + self._environment.settings.async_seconds
        self._finish_jobs(deadline)
        host.call("on_begin_flush", self.window)
        host.call("on_end_flush", self.window)
        self._finish_jobs(deadline)
        runtime.end_conditions(final=final)

    def _finish_jobs(self, deadline: float) -> None:
        while self._jobs:
            Waiting([job.future for job in self._jobs], deadline).wait()
            jobs = self._jobs.copy()
            self._jobs.clear()
            for job in jobs:
                self._host.finish(job)

    def _tick(self, until: int) -> None:
        """Tell of the seconds of the window that are over."""
        for second in range(self._second, min(until, self.window + WINDOW_SECONDS)):
            self._second = second + 1
            self._runtime.now = (second + 1) * 1_000_000
            self._host.call("on_metronome", second)

    def _notice(self) -> None:
        """Emit what is to be said of the scripts themselves."""
        if self.window < 0:
            return
        for alert in self._runtime.notices():
            self._kept.append(Emission(ALERT, f"{alert.type}\x00{alert.entity}", alert, self.window))

    def _take(self) -> list[Emission]:
        emitted = self._kept.copy()
        self._kept.clear()
        return emitted

    def _tallied(self) -> dict[str, int]:
        """Calls and errors so far, by script and hook."""
        # Those that are gone are told of to their end.
        self._names |= {script.name for script in self._environment.scripts.of(PacketMonitor)}
        found = {}
        for tally in STANDING.tallies():
            if tally.script in self._names and tally.hook != "__init__":
                found[f"calls.{tally.script}.{tally.hook}"] = tally.calls
                found[f"errors.{tally.script}.{tally.hook}"] = tally.errors
        return found

    def _hooks_for(self, display_filter: str) -> list[Hook]:
        hooks = self._hooks.get(display_filter)
        if hooks is None:
            hooks = self._hooks[display_filter] = self._host.hooks(
                "on_packet", lambda monitor: _filter_of(monitor) == display_filter
            )
        return hooks


def _filter_of(monitor: type[Script]) -> str:
    assert issubclass(monitor, PacketMonitor)
    return monitor.display_filter.strip()


def _window_of(time_: int) -> int:
    return time_ // 1_000_000 // WINDOW_SECONDS * WINDOW_SECONDS
