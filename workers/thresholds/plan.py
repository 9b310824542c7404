"""The rules on one counter group, made ready: what has to be known of each key, and which rules are asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from ipaddress import ip_address
from operator import itemgetter
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tapline.checks.entities import SECONDS, Granularity
from tapline.policy.effective import PolicyView
from tapline.policy.model import Rule, Selector
from topics.records import WINDOW_SECONDS, MeterKind
from workers.thresholds.methods import Learner, Learning, learning_of
from workers.thresholds.wording import kind_of, question_of

Way = Literal["sum", "mean", "average", "largest", "smallest", "last"]
"""How the values of a period's windows become one."""

_WAYS: Final[Mapping[MeterKind, Way]] = {
    "counter": "sum",
    "rate": "mean",
    "delta_rate": "mean",
    "average": "average",
    "maximum": "largest",
    "distinct": "largest",
    "sustained": "largest",
    "minimum": "smallest",
    "gauge": "last",
    "running": "last",
}

GRANULARITIES: Final[Mapping[int, Granularity]] = {
    SECONDS["min"]: "min",
    SECONDS["five_minutes"]: "five_minutes",
    SECONDS["hour"]: "hour",
    SECONDS["day"]: "day",
}
"""The name of each period's length."""

_EVERYBODY: Final = Selector()
_MOST_PATTERNS: Final = 10_000


class Ask(NamedTuple):
    """One rule, with its place among its question's and how its metrics add up over a period."""

    key: str
    rule: Rule
    question: str
    way: Way
    other_way: Way
    learner: Learner | None

    @property
    def band(self) -> str:
        """The name of what is learned for it: rules that learn the same in the same way share it."""
        rule = self.rule
        assert self.learner is not None
        return "/".join((rule.metric, str(rule.period), *map(str, self.learner)))


class Sum(NamedTuple):
    """A metric's value over a period longer than a window, kept from window to window."""

    metric: str
    period: int
    way: Way

    @property
    def column(self) -> str:
        """The column that holds it."""
        return f"s/{self.metric}/{self.period}"

    @property
    def counted(self) -> str:
        """The column that says in how many windows there was a value, where that matters."""
        return "" if self.way in ("sum", "mean") else f"n/{self.metric}/{self.period}"


class Plan:
    """The rules on one group as a policy has them.

    Of the rules that share a question the most specific is asked of a key; :meth:`choose` says which.
    """

    def __init__(
        self, group: str, rules: Iterable[tuple[str, Rule]], view: PolicyView, kind: Callable[[str], MeterKind]
    ) -> None:
        self.group = group
        self.kind = kind_of(group)
        self._view = view
        self.asks = tuple(_ask(key, rule, kind) for key, rule in rules)
        self.metrics = tuple(sorted({m for ask in self.asks for m in (ask.rule.metric, ask.rule.other_metric) if m}))
        self.pick = itemgetter(*self.metrics)
        """Takes all metrics from the meters of a key that has them all."""

        self.periods = tuple(sorted({ask.rule.period for ask in self.asks} | {WINDOW_SECONDS}))
        self.sums = tuple(sorted({each for ask in self.asks for each in _sums(ask) if each.period > WINDOW_SECONDS}))
        self.befores = tuple(
            sorted({(ask.rule.metric, ask.rule.period) for ask in self.asks if ask.rule.measure == "change"})
        )
        self.learnings: Mapping[str, Learning] = {
            ask.band: learning_of(ask.learner) for ask in self.asks if ask.learner is not None
        }
        self._selectors = tuple(
            _EVERYBODY if select == _EVERYBODY else select for select in {ask.rule.select: None for ask in self.asks}
        )
        self._by_fits: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        self._questions: dict[str, list[tuple[int, int]]] = {}
        for number, ask in enumerate(self.asks):
            self._questions.setdefault(ask.question, []).append((number, self._selectors.index(ask.rule.select)))
        self.everywhere = (
            self._selectors == (_EVERYBODY,)
            and all(len(asks) == 1 for asks in self._questions.values())
            and all(ask.rule.enabled for ask in self.asks)
        )
        """True when all rules are asked of every key."""

        self.remembers = any(
            ask.rule.measure in ("absence", "new_key", "change", "anomaly")
            or ask.rule.operator == "lt"
            or ask.rule.period > WINDOW_SECONDS
            for ask in self.asks
        )
        """True when something has to be known of a key beyond its window."""

    @cached_property
    def named(self) -> tuple[str, ...]:
        """The keys that rules on what is missing name singly, themselves or in a pool: they are waited for."""
        found: dict[str, None] = {}
        for ask in self.asks:
            rule = ask.rule
            if rule.enabled and (rule.measure == "absence" or rule.operator == "lt"):
                select = rule.select
                pool = self._view.policy.pools.get(select.pool)
                for name in (select.host, select.name, *(pool.members if pool is not None else ())):
                    if name and not set(name) & {"*", "?", "["} and self._is_key(name):
                        found[name] = None
        return tuple(found)

    def _is_key(self, name: str) -> bool:
        """True for what may be a key of the group."""
        if self.kind != "host":
            return "/" not in name or self.kind == "network"
        try:
            return str(ip_address(name)) == name
        except ValueError:
            return False

    def choose(self, name: str) -> NDArray[np.bool_]:
        """Which of :attr:`asks` are asked of a key."""
        selects, kind = self._view.selects, self.kind
        fits = tuple(
            [
                0 if each is _EVERYBODY else -1 if each.host not in ("", name) else selects(each, kind, name)
                for each in self._selectors
            ]
        )
        found = self._by_fits.get(fits)
        if found is None:
            if len(self._by_fits) >= _MOST_PATTERNS:
                self._by_fits.clear()
            found = self._by_fits[fits] = self._chosen(fits)
        return found

    def _chosen(self, fits: Sequence[int]) -> NDArray[np.bool_]:
        """The most specific of each question, by how specific each selector is."""
        chosen = np.zeros(len(self.asks), dtype=bool)
        for asks in self._questions.values():
            best, found = -1, -1
            for number, selector in asks:
                if fits[selector] >= max(best, 0):
                    best, found = fits[selector], number
            if found >= 0 and self.asks[found].rule.enabled:
                chosen[found] = True
        return chosen

    def pools_of(self, name: str) -> tuple[str, ...]:
        """The pools a key is in."""
        return self._view.pools_of(self.kind, name)


def _ask(key: str, rule: Rule, kind: Callable[[str], MeterKind]) -> Ask:
    learner = None
    if rule.measure == "anomaly":
        season = rule.season // rule.period if rule.method == "holt_winters" else 0
        learner = Learner(rule.method, rule.sensitivity, season, rule.learn_periods)
    other = _WAYS[kind(rule.other_metric)] if rule.other_metric else "sum"
    return Ask(key, rule, question_of(key), _WAYS[kind(rule.metric)], other, learner)


def _sums(ask: Ask) -> Iterable[Sum]:
    if ask.rule.measure == "new_key":
        return
    yield Sum(ask.rule.metric, ask.rule.period, ask.way)
    if ask.rule.measure == "ratio" and ask.rule.other_metric:
        yield Sum(ask.rule.other_metric, ask.rule.period, ask.other_way)
