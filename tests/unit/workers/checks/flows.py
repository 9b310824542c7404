"""Flows made by hand, and checks at work on them under a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tapline.policy.effective import PolicyView
from tapline.policy.model import Policy
from tapline.script import Script
from tests.unit.workers.made import FIRST_WINDOW, messages, scripts
from topics.catalog import FLOW
from topics.records import Alert, Annotation, Flow, Metric
from workers.pipeline import Pipeline

CLIENT, SERVER = "10.0.0.1", "192.0.2.1"


def flow(name: str, window: int = 0, **changes: Any) -> Flow:
    """A record of a flow in the window of this number, its only one unless ``record`` or ``sequence`` say otherwise."""
    time = (FIRST_WINDOW + window * 60 + 10) * 1_000_000
    values: dict[str, Any] = {
        "id": f"{name}/{window}",
        "flow_id": name,
        "community_id": name,
        "time": time,
        "start": time,
        "end": time,
        "record": "final",
        "source_ip": CLIENT,
        "destination_ip": SERVER,
        "source_port": 50000,
        "destination_port": 443,
        "transport": "tcp",
        "application": "TLS.Google",
        "delta_source_packets": 3,
        "delta_destination_packets": 3,
        "setup_rtt_us": 900,
        "state": "closed",
    }
    return Flow(**{**values, **changes})


def long_flow(name: str, windows: int, **changes: Any) -> list[Flow]:
    """A flow's records, one in each of so many windows, the last of them its end."""
    return [
        flow(name, number, **{"sequence": number, "record": "final" if number == windows - 1 else "update", **changes})
        for number in range(windows)
    ]


class Checked:
    """What checks made of some flows, in one partition."""

    def __init__(
        self,
        checks: type[Script] | Sequence[type[Script]],
        flows: Sequence[Flow],
        policy: Policy | None = None,
        *,
        params: dict[str, dict[str, Any]] | None = None,
        size: int = 1000,
    ) -> None:
        loaded = scripts(*([checks] if isinstance(checks, type) else checks), params=params)
        self.pipeline = Pipeline(loaded, 1)
        with self.pipeline:
            if policy is not None:
                self.pipeline.environment.policy = PolicyView(policy, 1)
            self.pipeline.feed(messages(FLOW, by_window(flows), 1, size=size))
        self.errors = [str(error.error) for error in self.pipeline.errors]

    @property
    def alerts(self) -> list[Alert]:
        """The alerts of the checks."""
        return [alert for alert in self.pipeline.published["alert"] if alert.entity_kind]

    @property
    def statuses(self) -> list[Annotation]:
        """The annotations of kind status."""
        return [each for each in self.pipeline.published["annotation"] if each.kind == "status"]

    @property
    def scores(self) -> dict[int, dict[str, Mapping[str, float]]]:
        """What statuses give to the group Scores, by number of the window and host."""
        found: dict[int, dict[str, Mapping[str, float]]] = {}
        counters: list[Metric] = self.pipeline.published["counter"]
        for counter in counters:
            if counter.group == "Scores":
                given = {name: counter.meters[name] for name in ("score", "network", "security")}
                found.setdefault((counter.window - FIRST_WINDOW) // 60, {})[counter.key] = given
        return found


def by_window(flows: Sequence[Flow]) -> dict[int, list[Flow]]:
    """Flows by the start of their window."""
    found: dict[int, list[Flow]] = {}
    for each in flows:
        found.setdefault(each.time // 60_000_000 * 60, []).append(each)
    return dict(sorted(found.items()))
