"""What a source of exported flows counts: in all, and of each exporter in each window."""

from __future__ import annotations

from collections import Counter
from typing import Final

from capture.exports.windows import Windows
from capture.settings import FlowExportSettings
from capture.source import Observation, Sink, window_of
from capture.syslog.rejected import Rejected
from topics.catalog import METRIC
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Metric

GROUP: Final = "Flow Exporters"
_OTHERS: Final = "others"


class Books:
    """Counts for the source ``name``, and rejects datagrams.

    At the end of a window its sums are samples of the counter group ``Flow Exporters``. Keys are the exporters'
    addresses, ``others`` for those beyond the most there may be, and the observation point for what belongs to no
    exporter, as what the kernel dropped.
    """

    def __init__(self, observation: Observation, name: str, settings: FlowExportSettings, sink: Sink, now: int) -> None:
        self._observation = observation
        self._name = name
        self._sink = sink
        self._most = settings.exporters
        self._rejected = Rejected(observation, name, settings.rejected_per_minute, sink)
        self._sums: dict[str, Counter[str]] = {}
        self._window = window_of(now)
        self._told = 0

    def count(self, counter: str, amount: int = 1) -> None:
        """Add to one of the source's counters."""
        self._sink.count(self._name, counter, amount)

    def add(self, exporter: str, meter: str, amount: int = 1) -> None:
        """Add to a meter of an exporter."""
        sums = self._sums.get(exporter)
        if sums is None:
            if len(self._sums) >= self._most:
                exporter = _OTHERS
            sums = self._sums.setdefault(exporter, Counter())
        sums[meter] += amount

    def datagrams(self, number: int, octets: int) -> None:
        """So many datagrams have come."""
        self.count("packets", number)
        self.count("bytes", octets)

    def drop(self, datagrams: int) -> None:
        """The kernel has lost so many."""
        if datagrams:
            self.count("dropped.kernel", datagrams)
            self.add(self._observation.observation_point, "dropped", datagrams)

    def reject(
        self, data: bytes, exporter: str, reason: str, detail: str, windows: Windows, *, record_id: str = ""
    ) -> None:
        """A datagram, or a part of it, cannot be used; ``record_id`` is its dead letter's, where it has a name."""
        self.add(exporter, "rejected")
        time = windows.reached
        detail = f"from {exporter}: {detail}"
        number = self._rejected.count + 1
        self._rejected.add(data, number, reason, detail, time, windows.place(time), record_id=record_id)

    def turns(self, windows: Windows, now: int) -> bool:
        """True where this time is in another window than the sums are of."""
        return window_of(max(now, windows.reached)) != self._window

    def turn(self, windows: Windows, now: int) -> None:
        """It is now this time: where that is in another window, put the sums of the one before."""
        if self.turns(windows, now):
            self.tell(windows)
            self._window = window_of(max(now, windows.reached))

    def tell(self, windows: Windows) -> None:
        """Put the sums since they were put last, at the end of their window."""
        time, observation = (self._window + WINDOW_SECONDS) * 1_000_000 - 1, self._observation
        self._told += 1
        for exporter, sums in self._sums.items():
            sample = Metric(
                id=digest(observation.identity, GROUP, exporter, self._told),
                time=time,
                node=observation.node,
                observation_point=observation.observation_point,
                group=GROUP,
                key=exporter,
                meters=dict(sums),
                source=self._name,
            )
            self._sink.put(METRIC, f"{GROUP}\0{exporter}", sample, windows.place(time))
        self._sums.clear()
