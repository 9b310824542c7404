"""What rules would have said of counters that are there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace

from msgspec import Struct

from tapline.policy.effective import PolicyView
from tapline.policy.model import Policy
from topics.catalog import CATALOG, Topic
from topics.records import Alert, Metric, Ranking
from workers.environment import Environment
from workers.scripting.scripts import ScriptSet
from workers.settings import WorkersSettings
from workers.thresholds.on_demand import LISTS
from workers.thresholds.rules import ThresholdRules
from workers.thresholds.top_changes import TopChanges
from workers.windows.ledger import Lane, Window
from workers.windows.lineage import FLOW_SUMS
from workers.windows.store import StageStore


class PastWindow(Struct, frozen=True):
    """One window of a stream as it was: its start in epoch seconds, and the totals of its keys."""

    stream: str
    start: int
    counters: Sequence[Metric]


class _Kept:
    """Takes what a window puts out."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.rankings: list[Ranking] = []

    def put(self, _topic: Topic, _key: str, record: Alert | Ranking) -> None:
        if isinstance(record, Alert):
            self.alerts.append(record)
        else:
            self.rankings.append(record)


def rehearse(
    policy: Policy, scripts: ScriptSet, settings: WorkersSettings, windows: Iterable[PastWindow]
) -> Iterator[Alert]:
    """The events of this policy's rules, as workers would have made them of these windows.

    The windows of a stream come in their order, also those without counters. What the rules know at the beginning is
    nothing, so what takes learning says less than it does of a system that has run for long.
    """
    environment = Environment(settings, scripts, {topic.kind: 1 for topic in CATALOG})
    environment.policy = PolicyView(policy, 1)
    stores = StageStore()
    rules = ThresholdRules(environment, stores, "partial-0")
    lists = TopChanges(stores.of(LISTS), "ranking-0")
    lanes: dict[str, Lane] = {}
    for past in windows:
        lane = lanes.setdefault(past.stream, Lane(past.stream, FLOW_SUMS, frozenset()))
        window = Window(lane, past.start, 0)
        kept = _Kept()
        window.state = SimpleNamespace(outbox=kept)
        stores.point(set())
        rules.end(window, past.counters)
        yield from kept.alerts
        yield from lists.end(window, kept.rankings, environment.policy, scripts.groups.counters)
