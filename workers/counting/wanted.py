"""Which of the counter groups that cost something are wanted, by checks, rules and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapline.checks.periodic import PeriodicCheck
from tapline.monitors import CounterMonitor
from tapline.policy.effective import PolicyView
from workers.counting.behaviour_groups import FLOW_BEHAVIOUR, REQUESTS

if TYPE_CHECKING:
    from workers.environment import Environment
    from workers.scripting.scripts import ScriptSet

_OPTIONAL = frozenset(group.name for group in (*FLOW_BEHAVIOUR, REQUESTS))


class WantedGroups:
    """Tells which groups of flows' behaviour somebody wants, as the scripts and the policy in force are."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._asked: tuple[ScriptSet, PolicyView] | None = None
        self._wanted: frozenset[str] = frozenset()

    def now(self) -> frozenset[str]:
        """The names of the groups wanted."""
        asked = (self._environment.scripts, self._environment.policy)
        if self._asked is None or self._asked[0] is not asked[0] or self._asked[1] is not asked[1]:
            self._asked = asked
            self._wanted = wanted_groups(*asked)
        return self._wanted


def wanted_groups(scripts: ScriptSet, policy: PolicyView) -> frozenset[str]:
    """The groups that checks in service look at, rules are on, and scripts name; one that names none wants no more."""
    found = set(policy.rule_groups())
    directory = scripts.groups.counters
    for script in scripts.scripts:
        monitor = script.monitor
        if issubclass(monitor, PeriodicCheck):
            if is_in_service(monitor, policy):
                found.update(map(directory.canonical, monitor.groups))
        elif issubclass(monitor, CounterMonitor) and monitor.group:
            found.update(filter(directory.selector(monitor.group), _OPTIONAL))
    return _OPTIONAL & found


def is_in_service(check: type[PeriodicCheck], policy: PolicyView) -> bool:
    """True when a check is on for some entity."""
    settings = policy.policy.checks.get(check.name or check.__name__)
    enabled = check.default_enabled if settings is None or settings.enabled is None else settings.enabled
    return enabled or (settings is not None and any(override.enabled for override in settings.overrides))
