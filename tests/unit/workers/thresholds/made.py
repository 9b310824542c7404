"""A counter stage's rules, given windows by hand."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from tapline.checks.base import Patience
from tapline.policy.effective import PolicyView
from tapline.policy.model import Policy, Pool, Rule
from topics.catalog import CATALOG, Topic
from topics.records import Alert, Metric, Ranking, Stored
from workers.environment import Environment
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings
from workers.thresholds.rules import ThresholdRules
from workers.windows.ledger import Lane, Window
from workers.windows.store import StageStore

FIRST = 1_700_000_400
"""A window that begins a quarter of an hour, and so every shorter period."""

DAY = 1_700_006_400 // 86_400 * 86_400
HOUR = 1_700_006_400 // 3_600 * 3_600

Keys = Mapping[str, Mapping[str, float] | float]


class Kept:
    """What a window puts out."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.rankings: list[Ranking] = []

    def put(self, topic: Topic, key: str, record: Any) -> None:  # noqa: ARG002
        (self.alerts if isinstance(record, Alert) else self.rankings).append(record)


class Stage:
    """Rules on one partition of the counters, which can be stopped and started again."""

    def __init__(self, rules: Mapping[str, Rule], pools: Mapping[str, Pool] | None = None, partitions: int = 1) -> None:
        scripts = load_files([], {})
        self.environment = Environment(
            WorkersSettings(scripts=[]), scripts, {topic.kind: partitions for topic in CATALOG}
        )
        self.pools = dict(pools or {})
        self.set(rules)
        self.stored: dict[tuple[str, str], str] = {}
        self.written: list[int] = []
        self.start()

    def set(self, rules: Mapping[str, Rule]) -> None:
        """Go over to these rules."""
        policy = Policy(rules=dict(rules), pools=self.pools)
        self.environment.policy = PolicyView(policy, self.environment.policy.version + 1)

    def start(self) -> None:
        """Begin with what was kept, as a stage does after a restart."""
        self.stores = StageStore()
        self.stores.load(
            Stored(stage="~partial/0", owner=owner, key=key, value=value) for (owner, key), value in self.stored.items()
        )
        self.rules = ThresholdRules(self.environment, self.stores, "partial-0")

    def put(self, start: int, keys: Keys, group: str = "Hosts", *, source: str = "~flow", final: bool = False) -> Kept:
        """A window of this group that has ended; a number stands for bytes."""
        window = Window(Lane("live", source, frozenset()), start, 0)
        window.final = final
        kept = Kept()
        window.state = SimpleNamespace(outbox=kept)
        changed: set[tuple[str, str]] = set()
        self.stores.point(changed)
        self.rules.end(window, [counter(start, group, key, meters) for key, meters in keys.items()])
        for owner, key in changed:
            text = self.stores.of(owner).text(key)
            if text:
                self.stored[owner, key] = text
            else:
                self.stored.pop((owner, key), None)
        self.written.append(len(changed))
        return kept

    def alerts(self, start: int, keys: Keys, group: str = "Hosts", **more: Any) -> list[tuple[str, str]]:
        """Action and entity of the alerts of a window."""
        return [(alert.action, alert.entity) for alert in self.put(start, keys, group, **more).alerts]


def counter(start: int, group: str, key: str, meters: Mapping[str, float] | float) -> Metric:
    """A window's total of a key."""
    given = meters if isinstance(meters, Mapping) else {"bytes": meters}
    return Metric(id=f"{start}{group}{key}", time=0, group=group, key=key, meters=dict(given), window=start)


def rule(name: str = "r", **fields: Any) -> Rule:
    """A rule that believes at once and forgets at once, where nothing else is said."""
    fields.setdefault("patience", Patience(clear_runs=1))
    return Rule(name=name, **fields)
