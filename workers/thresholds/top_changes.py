"""Rules on the largest keys: what is among them now and was not in the period before.

Each partition of the counters gives the largest of its keys; merged they are the largest of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tapline.groups import Directory
from tapline.policy.effective import PolicyView
from topics.records import WINDOW_SECONDS, Alert, Ranking
from workers.thresholds.findings import among_largest, stored
from workers.thresholds.on_demand import rule_of
from workers.thresholds.sums import Period
from workers.windows.ledger import Window
from workers.windows.store import OwnerStore


class TopChanges:
    """The lists of the rules whose lists come to one partition of the rankings."""

    def __init__(self, store: OwnerStore, instance: str) -> None:
        self._store = store
        self._instance = instance

    def end(self, window: Window, rankings: Sequence[Ranking], view: PolicyView, groups: Directory) -> Iterable[Alert]:
        """The alerts of a window that has ended: one for each key that has come in."""
        lane, stream = window.lane.key, window.lane.stream
        by_rule: dict[str, list[Ranking]] = {}
        for ranking in rankings:
            by_rule.setdefault(rule_of(ranking.name), []).append(ranking)
        for key, parts in sorted(by_rule.items()):
            rule = view.policy.rules.get(key)
            if rule is None or rule.measure != "top_change":
                continue
            place = f"{lane}\x00{key}"
            merged = sorted((-value, name) for part in parts for name, value in part.keys)[: rule.top]
            before: list[str] | None = self._store.get(place)
            group = groups.canonical(rule.group)
            period = Period(window.start + WINDOW_SECONDS - rule.period, rule.period, final=window.final)
            for rank, (value, name) in enumerate(merged, 1):
                if before is not None and name not in before and -value >= rule.floor:
                    said = among_largest(rule, group, rank, -value)
                    yield stored(key, rule, group, name, period, -value, said, stream, self._instance)
            names = sorted(name for _, name in merged)
            if names != before:
                self._store[place] = names
        if window.final:
            for place in [place for place in self._store if place.startswith(f"{lane}\x00")]:
                del self._store[place]
        else:
            self._forget(lane, view.policy.rules)

    def _forget(self, lane: str, rules: Mapping[str, object]) -> None:
        """Drop the lists of rules that are gone."""
        for place in [place for place in self._store if place.startswith(f"{lane}\x00")]:
            if place.partition("\x00")[2] not in rules:
                del self._store[place]
