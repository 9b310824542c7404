"""The source that watches what containers use."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from capture.containers import NAME
from capture.containers.daemon import PROBLEMS, Daemon
from capture.containers.table import Container, described
from capture.containers.usage import Usage, usage, used_since
from capture.live_windows import LiveWindows
from capture.source import Observation, Sink
from topics.catalog import METRIC
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, MeterKind, Metric

GROUP: Final = "Container"
_LOOK: Final = 0.2
_AT_ONCE: Final = 8
_AVERAGES: Final = frozenset({"cpu_percent", "in_bytes_per_second", "out_bytes_per_second"})
_log = logging.getLogger("tapline.capture")


class ContainerSampler:
    """Asks the daemon at the end of each window what its containers have used, and once more at the end.

    The keys are ``NODE:NAME``. Where the daemon does not answer, that is counted (``lost``) and told once, and what was
    used meanwhile counts when it answers again.
    """

    def __init__(self, observation: Observation, socket: str) -> None:
        self._observation = observation
        self._socket = socket
        self._stopping = threading.Event()
        self._before: dict[str, Usage] | None = None
        self._at = 0.0
        self._lost = False

    @property
    def name(self) -> str:
        """``docker``."""
        return NAME

    def run(self, sink: Sink) -> None:
        windows = LiveWindows(NAME, sink, lambda: self._sample(sink, windows.window, turning=True))
        found = self._read(sink)
        if found is not None:
            self._keep(found)
        while not self._stopping.wait(_LOOK):
            windows.look()
        windows.look()
        self._sample(sink, windows.window, turning=False)

    def stop(self) -> None:
        self._stopping.set()

    def _sample(self, sink: Sink, window: int, *, turning: bool) -> None:
        """Put what was used since the last reading; ``turning`` at the window's end, else in its midst."""
        before, at = self._before, self._at
        found = self._read(sink)
        if found is None:
            return
        self._keep(found)
        if before is None:
            return
        now = time.time_ns() // 1000
        moment = (window + WINDOW_SECONDS) * 1_000_000 - 1 if turning else now
        for container, used in found:
            meters = used_since(before.get(container.id), used)
            self._put(sink, container, _meters(meters, used, self._at - at), moment, window)
        sink.count(NAME, "readings", len(found))

    def _keep(self, found: list[tuple[Container, Usage]]) -> None:
        self._before = {container.id: used for container, used in found}
        self._at = time.monotonic()

    def _read(self, sink: Sink) -> list[tuple[Container, Usage]] | None:
        """All containers that run and what they have used, ``None`` where the daemon does not say."""
        try:
            with contextlib.closing(Daemon(self._socket)) as daemon, ThreadPoolExecutor(_AT_ONCE) as pool:
                running = [described(each)[0] for each in daemon.running()]
                read: list[dict[str, Any] | None] = list(
                    pool.map(daemon.statistics, [container.id for container in running])
                )
        except PROBLEMS as error:
            sink.count(NAME, "lost")
            if not self._lost:
                self._lost = True
                _log.warning("no Docker at %s (%s): what its containers use is not known", self._socket, error)
            return None
        if self._lost:
            self._lost = False
            _log.info("Docker at %s answers again", self._socket)
        return [(container, usage(told)) for container, told in zip(running, read, strict=True) if told is not None]

    def _put(self, sink: Sink, container: Container, meters: dict[str, int | float], moment: int, window: int) -> None:
        observation = self._observation
        key = f"{observation.node}:{container.name}"
        sample = Metric(
            id=digest(observation.identity, GROUP, container.id, moment),
            time=moment,
            node=observation.node,
            observation_point=observation.observation_point,
            group=GROUP,
            key=key,
            meters=meters,
            kinds={meter: kind for meter in meters if (kind := _kind(meter)) != "counter"},
            source=NAME,
        )
        sink.put(METRIC, f"{GROUP}\0{key}", sample, window)


def _meters(used: dict[str, float], stands: Usage, seconds: float) -> dict[str, int | float]:
    meters: dict[str, int | float] = {**used, **stands.gauges}
    if seconds > 0:
        if "cpu_seconds" in used:
            meters["cpu_percent"] = used["cpu_seconds"] * 100 / seconds
        for meter in ("in_bytes", "out_bytes"):
            if meter in used:
                meters[f"{meter}_per_second"] = used[meter] / seconds
    return meters


def _kind(meter: str) -> MeterKind:
    if meter in _AVERAGES:
        return "average"
    return "gauge" if meter in ("memory_used", "memory_limit", "processes") else "counter"
