"""The source that watches the host."""

from __future__ import annotations

import threading
import time
from typing import Final

from capture.host import NAME
from capture.host.growth import grown, shares
from capture.host.memory import CounterMemory
from capture.host.reading import HostCounters, read_counters, read_state
from capture.host.settings import HostSettings
from capture.live_windows import LiveWindows
from capture.source import Observation, Sink
from topics.catalog import METRIC
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, MeterKind, Metric

HOST: Final = "Host"
INTERFACE: Final = "Host-Interface"
DISK: Final = "Host-Disk"
FILESYSTEM: Final = "Host-Filesystem"

_LOOK: Final = 0.2
_SAMPLES: Final = frozenset({"in_bytes_per_second", "out_bytes_per_second"})


class HostWatcher:
    """Reads the host's counters at the end of each window, and once more at the end, until :meth:`stop`.

    Each reading tells what came since the one before, over restarts of the node too. The keys of all groups begin with
    the node's name.
    """

    def __init__(self, observation: Observation, settings: HostSettings) -> None:
        self._observation = observation
        self._memory = CounterMemory(settings.state_file)
        self._stopping = threading.Event()
        self._before: HostCounters | None = None

    @property
    def name(self) -> str:
        """``host``."""
        return NAME

    def run(self, sink: Sink) -> None:
        self._before = self._memory.load() or read_counters(time.time())
        windows = LiveWindows(NAME, sink, lambda: self._read(sink, windows.window, turning=True))
        while not self._stopping.wait(_LOOK):
            windows.look()
        windows.look()
        self._read(sink, windows.window, turning=False)

    def stop(self) -> None:
        self._stopping.set()

    def _read(self, sink: Sink, window: int, *, turning: bool) -> None:
        """Put what came since the last reading; ``turning`` at the window's end, else in its midst."""
        before, now, state = self._before, read_counters(time.time()), read_state()
        assert before is not None
        self._before = now
        moment = (window + WINDOW_SECONDS) * 1_000_000 - 1 if turning else int(now.time * 1_000_000)
        samples = _samples(before, now, state.machine, state.interfaces, state.filesystems)
        node = self._observation.node
        for (group, name), meters in samples.items():
            key = f"{node}:{name}" if name else node
            self._put(sink, group, key, meters, moment, window)
        sink.count(NAME, "readings", len(samples))
        self._memory.keep(now)

    def _put(self, sink: Sink, group: str, key: str, meters: dict[str, int | float], moment: int, window: int) -> None:
        observation = self._observation
        sample = Metric(
            id=digest(observation.identity, group, key, moment),
            time=moment,
            node=observation.node,
            observation_point=observation.observation_point,
            group=group,
            key=key,
            meters=meters,
            kinds={meter: kind for meter in meters if (kind := _kind(group, meter)) != "counter"},
            source=NAME,
        )
        sink.put(METRIC, f"{group}\0{key}", sample, window)


_Samples = dict[tuple[str, str], dict[str, int | float]]


def _samples(
    before: HostCounters,
    now: HostCounters,
    machine: dict[str, int | float],
    states: dict[str, dict[str, int | float]],
    filesystems: dict[str, dict[str, int | float]],
) -> _Samples:
    """The meters by group and name; the machine itself has none."""
    interfaces, disks = grown(before, now)
    seconds = now.time - before.time
    samples: _Samples = {(HOST, ""): {**shares(before, now), **machine}}
    for name, meters in interfaces.items():
        found: dict[str, int | float] = {**meters, **states.get(name, {})}
        if seconds > 0:
            found |= {f"{meter}_per_second": meters[meter] / seconds for meter in ("in_bytes", "out_bytes")}
        samples[INTERFACE, name] = found
    for name, meters in disks.items():
        samples[DISK, name] = {**meters}
    for name, room in filesystems.items():
        samples[FILESYSTEM, name] = room
    return samples


def _kind(group: str, meter: str) -> MeterKind:
    if meter in _SAMPLES or meter.startswith("cpu_"):
        return "average"
    if group in (HOST, FILESYSTEM) or meter in ("up", "speed"):
        return "gauge"
    return "counter"
