"""What holds of a check: whether it is on, its parameters, its score, by entity."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tapline.checks.base import Check, Patience
from tapline.policy.effective import PolicyView
from tapline.policy.model import Effective
from workers.scripting.scripts import LoadedScript

MOST_REMEMBERED: Final = 100_000

_log = logging.getLogger(__name__)


class InForce(NamedTuple):
    """What holds of a check for one entity, with its parameters as its own type.

    ``score`` and ``severity`` stand above what the check says, where they are set; ``configuration`` names the
    entry of the policy that won.
    """

    enabled: bool
    params: Any
    patience: Patience
    score: int | None
    severity: int | None
    configuration: str


class CheckSettings:
    """The settings of one check under one policy."""

    def __init__(self, script: LoadedScript, view: PolicyView) -> None:
        monitor = script.monitor
        assert issubclass(monitor, Check)
        self._script = script
        self._view = view
        self._check = monitor
        self.is_uniform = view.is_uniform(monitor)
        """True when the same holds for every entity."""

        settings = view.policy.checks.get(script.name)
        self._overrides = tuple(settings.overrides) if settings else ()
        self._by_fit: dict[tuple[str, tuple[int, ...]], InForce] = {}
        self._of_entity: dict[tuple[str, str], tuple[int, ...]] = {}
        self._params: dict[str, Any] = {}
        self._specificities: dict[str, int] = {}

    def of(self, hook: str, kind: str, name: str) -> InForce:
        """What holds in a hook for an entity."""
        fitting = self._fitting(kind, name) if self._overrides else ()
        found = self._by_fit.get((hook, fitting))
        if found is None:
            effective = self._view.effective(self._check, hook, kind, name)
            found = self._by_fit[hook, fitting] = self._in_force(effective)
        return found

    def specificity(self, kind: str, name: str) -> int:
        """How specific the most specific entry for an entity is; -1 where there is none."""
        found = self._specificities.get(name)
        if found is None:
            if len(self._specificities) >= MOST_REMEMBERED:
                self._specificities.clear()
            found = max((self._view.selects(each.match, kind, name) for each in self._overrides), default=-1)
            self._specificities[name] = found
        return found

    def _fitting(self, kind: str, name: str) -> tuple[int, ...]:
        """Which overrides are for an entity: the same holds for all of which this is the same."""
        place = (kind, name)
        found = self._of_entity.get(place)
        if found is None:
            if len(self._of_entity) >= MOST_REMEMBERED:
                self._of_entity.clear()
            selects = self._view.selects
            found = tuple(at for at, each in enumerate(self._overrides) if selects(each.match, kind, name) >= 0)
            self._of_entity[place] = found
        return found

    def _in_force(self, effective: Effective) -> InForce:
        return InForce(
            effective.enabled,
            self._converted(effective.params, effective.configuration),
            effective.patience,
            effective.score,
            effective.severity,
            effective.configuration,
        )

    def _converted(self, given: Mapping[str, Any], configuration: str) -> Any:
        """The parameters of the script, with those given; without them where they are none for it."""
        script = self._script
        if not given:
            return script.params
        place = repr(sorted(given.items()))
        if place not in self._params:
            values = {**msgspec.structs.asdict(script.params), **given}
            try:
                self._params[place] = msgspec.convert(values, self._check.params_type)
            except msgspec.ValidationError as error:
                _log.error("%s: %s of check %s; its parameters stay as they are", configuration, error, script.name)
                self._params[place] = script.params
        return self._params[place]
