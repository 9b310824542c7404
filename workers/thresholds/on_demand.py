"""Rules where there are some: who has none does not load what they are made with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from topics.records import Alert, Metric, Ranking
from workers.alerts.conditions import Engaged
from workers.environment import Environment
from workers.windows.ledger import Window
from workers.windows.store import StageStore

if TYPE_CHECKING:
    from workers.thresholds.rules import ThresholdRules
    from workers.thresholds.top_changes import TopChanges

TABLES: Final = "rules"
"""The part of a stage's store that holds what rules know of keys."""

CONDITIONS: Final = "rule-conditions"
"""The parts of a stage's store that hold how the conditions of rules stand, one a lane's source."""

LISTS: Final = "rule-lists"
"""The part of a stage's store that holds the lists of the period before."""

_PREFIX: Final = "rule\x00"


def list_name(rule_key: str) -> str:
    """What the list of a rule is called on its way to be merged."""
    return f"{_PREFIX}{rule_key}"


def rule_of(list_name: str) -> str:
    """The key of the rule whose list is called so; empty where it is no rule's."""
    return list_name.removeprefix(_PREFIX) if list_name.startswith(_PREFIX) else ""


class CounterRules:
    """:class:`~workers.thresholds.rules.ThresholdRules`, from the first window on in which there is a rule."""

    def __init__(self, environment: Environment, stores: StageStore, instance: str) -> None:
        self._environment = environment
        self._stores = stores
        self._instance = instance
        self._rules: ThresholdRules | None = None

    def end(self, window: Window, counters: Iterable[Metric]) -> None:
        """Take a window's counters, and put what comes of it into the window's outbox."""
        rules = self._of(window)
        if rules is not None:
            rules.end(window, counters)

    def engaged(self, window: Window) -> dict[tuple[str, str], tuple[Engaged, ...]]:
        """What rules have engaged in a window's lane, by kind and name of the entity."""
        rules = self._of(window)
        return {} if rules is None else rules.engaged(window)

    def _of(self, window: Window) -> ThresholdRules | None:
        if self._rules is None:
            conditions = self._stores.of(f"{CONDITIONS}/{window.lane.source}")
            if not (self._environment.policy.rule_groups() or len(self._stores.of(TABLES)) or len(conditions)):
                return None
            from workers.thresholds.rules import ThresholdRules  # noqa: PLC0415 - numpy takes its time to load

            self._rules = ThresholdRules(self._environment, self._stores, self._instance)
        return self._rules


class ListRules:
    """:class:`~workers.thresholds.top_changes.TopChanges`, from the first window on in which a rule has a list."""

    def __init__(self, environment: Environment, stores: StageStore, instance: str) -> None:
        self._environment = environment
        self._stores = stores
        self._instance = instance
        self._lists: TopChanges | None = None

    def end(self, window: Window, rankings: Sequence[Ranking]) -> Iterable[Alert]:
        """The alerts of a window that has ended, of these parts of the lists of rules."""
        if self._lists is None:
            if not rankings and not len(self._stores.of(LISTS)):
                return ()
            from workers.thresholds.top_changes import TopChanges  # noqa: PLC0415 - as above

            self._lists = TopChanges(self._stores.of(LISTS), self._instance)
        environment = self._environment
        return self._lists.end(window, rankings, environment.policy, environment.scripts.groups.counters)
