"""How scripts fare in this process: calls, time and errors by hook, the state of every instance, broken files.

Counts are plain numbers that hooks add to at no cost; Prometheus asks for them when it looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

State = Literal["running", "suspended", "declined", "broken"]


class Tally:
    """The calls of one hook of one script in all its instances: how many, how long (seconds), how many raised.

    ``last_error`` is where and what it raised last.
    """

    __slots__ = ("calls", "errors", "hook", "last_error", "script", "seconds")

    def __init__(self, script: str, hook: str) -> None:
        self.script = script
        self.hook = hook
        self.calls = 0
        self.errors = 0
        self.seconds = 0.0
        self.last_error = ""


class InstanceState(NamedTuple):
    """One instance of a script: where its file is, whether it runs, and if not why."""

    script: str
    file: str
    state: State
    why: str


class Standing(Collector):
    """Keeps the tallies and states of a process and shows them to Prometheus.

    Written by the thread that runs the scripts, read by any.
    """

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._instances: dict[int, InstanceState] = {}
        self._broken: dict[str, str] = {}
        self._dropped: dict[str, int] = {}
        self._loads: dict[str, int] = {"loaded": 0, "unloaded": 0, "broken": 0, "refused": 0}

    def tally(self, script: str, hook: str) -> Tally:
        """The tally of a hook, the same for every instance."""
        found = self._tallies.get((script, hook))
        if found is None:
            found = self._tallies[script, hook] = Tally(script, hook)
        return found

    def tallies(self) -> list[Tally]:
        """Every tally there is."""
        return list(self._tallies.values())

    def instances(self) -> dict[InstanceState, int]:
        """How many instances stand in each way; a file that cannot be used is one of no script."""
        counted: dict[InstanceState, int] = {}
        for state in list(self._instances.values()):
            counted[state] = counted.get(state, 0) + 1
        for file, why in self._broken.items():
            counted[InstanceState("", file, "broken", why)] = 1
        return counted

    def instance(self, identity: int, state: InstanceState | None) -> None:
        """Say how an instance fares; ``None`` when it is gone."""
        if state is None:
            self._instances.pop(identity, None)
        else:
            self._instances[identity] = state

    def broken(self, files: dict[str, str]) -> None:
        """Say which files cannot be used, and why."""
        self._broken = dict(files)

    def reloaded(self, outcome: Literal["loaded", "unloaded", "broken", "refused"], count: int = 1) -> None:
        """Count script files that were taken in, given up, found to be unusable, or not approved."""
        self._loads[outcome] += count

    def output_dropped(self, script: str, size: int) -> None:
        """Count output of a script that was not written, in bytes."""
        self._dropped[script] = self._dropped.get(script, 0) + size

    def dropped(self, script: str) -> int:
        """How much output of a script was not written, in bytes."""
        return self._dropped.get(script, 0)

    def collect(self) -> Iterable[Metric]:
        calls = CounterMetricFamily("tapline_script_calls", "Hook calls of scripts.", labels=["script", "hook"])
        errors = CounterMetricFamily("tapline_script_errors", "Hook calls that raised.", labels=["script", "hook"])
        seconds = CounterMetricFamily(
            "tapline_script_seconds", "Time hooks took, in seconds.", labels=["script", "hook"]
        )
        for tally in self.tallies():
            if tally.calls or tally.errors:
                calls.add_metric([tally.script, tally.hook], tally.calls)
                errors.add_metric([tally.script, tally.hook], tally.errors)
                seconds.add_metric([tally.script, tally.hook], tally.seconds)
        instances = GaugeMetricFamily(
            "tapline_script_instances",
            "Instances of scripts by state (running, suspended, declined, broken) and the reason for it.",
            labels=["script", "file", "state", "why"],
        )
        for state, count in self.instances().items():
            instances.add_metric(list(state), count)
        dropped = CounterMetricFamily(
            "tapline_script_output_dropped_bytes", "Output of scripts beyond what they may print.", labels=["script"]
        )
        for script, size in list(self._dropped.items()):
            dropped.add_metric([script], size)
        loads = CounterMetricFamily(
            "tapline_script_files",
            "Script files loaded, unloaded, found broken, and refused because they are not approved.",
            labels=["outcome"],
        )
        for outcome, count in self._loads.items():
            loads.add_metric([outcome], count)
        return [calls, errors, seconds, instances, dropped, loads]

    def describe(self) -> Iterable[Metric]:
        return []


STANDING: Final = Standing()
"""That of this process."""

REGISTRY.register(STANDING)
