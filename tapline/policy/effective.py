"""What holds of the policy for one entity, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any, Final

from msgspec.structs import asdict, replace

from tapline.checks.base import Check, Patience
from tapline.lists import NetworkSet
from tapline.policy.model import CheckSettings, Effective, Override, PatienceChange, Policy, Pool, Rule, Selector

MOST_REMEMBERED: Final = 200_000
"""Most answers of a view that are kept."""

_HOST: Final = 4_000_000
_NAME: Final = 3_000_000
_NETWORK: Final = 2_000_000
_POOL: Final = 1_000_000
_TAG: Final = 500_000

_NO_SETTINGS: Final = CheckSettings()

_Question = tuple[type[Check], str, str, str]


def with_policy_of_scripts(params: Mapping[str, Mapping[str, Any]], policy: Policy) -> dict[str, dict[str, Any]]:
    """The parameters of scripts by name, as the configuration has them, under those that a policy sets."""
    names = params.keys() | policy.scripts.keys()
    return {
        name: {**params.get(name, {}), **(policy.scripts[name].params if name in policy.scripts else {})}
        for name in names
    }


class PolicyView:
    """A policy with answers: what holds for a check, a rule or a selector, and of which entity.

    A view does not change; ``version`` grows with each that takes the place of another. Addresses are
    compared as they are written in records, in their shortest form.
    """

    def __init__(self, policy: Policy | None = None, version: int = 0) -> None:
        self.policy = policy or Policy()
        self.version = version
        self._pools = {name: _Members(pool) for name, pool in self.policy.pools.items()}
        self._overrides = {name: _ordered(settings) for name, settings in self.policy.checks.items()}
        self._rules: dict[str, tuple[tuple[str, Rule], ...]] = {}
        on = {rule.group for rule in self.policy.rules.values() if rule.enabled}
        for key, rule in self.policy.rules.items():
            if rule.group in on:
                self._rules[rule.group] = (*self._rules.get(rule.group, ()), (key, rule))
        self._known_pools: dict[str, tuple[str, ...]] = {}
        self._known: dict[_Question, Effective] = {}

    def pools_of(self, kind: str, name: str) -> tuple[str, ...]:  # noqa: ARG002 - a pool has members of any kind
        """The names of the pools an entity is in, in the order of the policy."""
        if not self._pools:
            return ()
        found = self._known_pools.get(name)
        if found is None:
            if len(self._known_pools) >= MOST_REMEMBERED:
                self._known_pools.clear()
            found = tuple(pool for pool, members in self._pools.items() if members.holds(name))
            self._known_pools[name] = found
        return found

    def selects(self, selector: Selector, kind: str, name: str) -> int:
        """How specific a selector is for an entity; 0 when it is for all, -1 when it is not for this one.

        What is more specific stands first: a host before a name pattern (more letters first), that before a network
        (a longer prefix first), that before a pool, that before a tag; two together before either alone.
        """
        specificity = 0
        if selector.host:
            if selector.host != name:
                return -1
            specificity += _HOST
        if selector.name:
            if not fnmatchcase(name, selector.name):
                return -1
            specificity += _NAME + sum(letter not in "*?" for letter in selector.name)
        if selector.network:
            network = _network(selector.network)
            if not _lies_in(name, network):
                return -1
            specificity += _NETWORK + network.prefixlen
        if selector.pool or selector.tag:
            pools = self.pools_of(kind, name)
            if selector.pool:
                if selector.pool not in pools:
                    return -1
                specificity += _POOL
            if selector.tag:
                if not any(selector.tag in self.policy.pools[pool].tags for pool in pools):
                    return -1
                specificity += _TAG
        return specificity

    def is_uniform(self, check: type[Check]) -> bool:
        """True when the same holds of a check for every entity."""
        return not self._overrides.get(_name_of(check))

    def effective(self, check: type[Check], hook: str, kind: str, name: str) -> Effective:
        """What holds of a check in a hook for an entity."""
        question = (check, hook, *(("", "") if self.is_uniform(check) else (kind, name)))
        found = self._known.get(question)
        if found is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            found = self._known[question] = self._effective(check, hook, kind, name)
        return found

    def rules_for(self, group: str) -> tuple[tuple[str, Rule], ...]:
        """The rules on a counter group with their keys, those that are off too: one that wins lets nothing be asked."""
        return self._rules.get(group, ())

    def rule_groups(self) -> frozenset[str]:
        """The counter groups that some rule is on."""
        return frozenset(self._rules)

    def most_specific(self, rules: Iterable[tuple[str, Rule]], kind: str, name: str) -> tuple[tuple[str, Rule], ...]:
        """The rules that are asked of an entity: of those that share a question, the most specific, else the last.

        Rules share a question when their keys are the same up to a slash (``upload``, ``upload/servers``).
        """
        chosen: dict[str, tuple[int, str, Rule]] = {}
        for key, rule in rules:
            specificity = self.selects(rule.select, kind, name)
            question = key.partition("/")[0]
            if specificity >= 0 and (question not in chosen or chosen[question][0] <= specificity):
                chosen[question] = (specificity, key, rule)
        return tuple((key, rule) for _, key, rule in chosen.values() if rule.enabled)

    def _effective(self, check: type[Check], hook: str, kind: str, name: str) -> Effective:
        own = _name_of(check)
        settings = self.policy.checks.get(own, _NO_SETTINGS)
        layers = [f"checks/{own}"] if own in self.policy.checks else []
        enabled = check.default_enabled if settings.enabled is None else settings.enabled
        params: dict[str, Any] = dict(settings.params)
        patience = _changed(check.patience, settings.patience)
        score, severity = settings.score, settings.severity
        fitting = [
            (specificity, at, override)
            for at, override in self._overrides.get(own, ())
            if override.hook in ("", hook) and (specificity := self.selects(override.match, kind, name)) >= 0
        ]
        for _, at, override in sorted(fitting, key=lambda each: each[:2]):
            layers.append(f"checks/{own}/overrides[{at}]")
            enabled = enabled if override.enabled is None else override.enabled
            params.update(override.params)
            patience = _changed(patience, override.patience)
            score = score if override.score is None else override.score
            severity = severity if override.severity is None else override.severity
        return Effective(
            enabled=enabled,
            params=params,
            patience=patience,
            score=score,
            severity=severity,
            configuration=layers[-1] if layers else "default",
            layers=("default", *layers),
        )


class _Members:
    """The members of a pool, ready to be asked."""

    def __init__(self, pool: Pool) -> None:
        self._names: set[str] = set()
        self._patterns: list[str] = []
        self._networks = NetworkSet()
        for member in pool.members:
            if "*" in member or "?" in member:
                self._patterns.append(member)
            elif "/" in member and _is_network(member):
                self._networks.add(member)
            else:
                self._names.add(_shortest(member))

    def holds(self, name: str) -> bool:
        return (
            name in self._names
            or self._networks.find(name) is not None
            or any(fnmatchcase(name, pattern) for pattern in self._patterns)
        )


def _ordered(settings: CheckSettings) -> tuple[tuple[int, Override], ...]:
    return tuple(enumerate(settings.overrides))


def _changed(patience: Patience, change: PatienceChange) -> Patience:
    given = {name: value for name, value in asdict(change).items() if value is not None}
    return replace(patience, **given) if given else patience


def _name_of(check: type[Check]) -> str:
    return check.name or check.__name__


def _shortest(name: str) -> str:
    """An address as records write it; what is none stays as it is, in lower case as MAC addresses are."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name.lower() if name.count(":") == 5 else name


_networks: dict[str, IPv4Network | IPv6Network] = {}


def _network(text: str) -> IPv4Network | IPv6Network:
    found = _networks.get(text)
    if found is None:
        found = _networks[text] = ip_network(text, strict=False)
    return found


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _lies_in(name: str, network: IPv4Network | IPv6Network) -> bool:
    """True for an address of the network, and for a network within it."""
    found = _parsed(name)
    if found is None:
        return False
    version, first, length = found
    wide = int(network.network_address) ^ first
    return version == network.version and length >= network.prefixlen and not wide & int(network.netmask)


@lru_cache(maxsize=MOST_REMEMBERED)
def _parsed(name: str) -> tuple[int, int, int] | None:
    """The version, first address and prefix length of a network or address; ``None`` for what is none."""
    try:
        if "/" not in name:
            version, family = (6, AF_INET6) if ":" in name else (4, AF_INET)
            packed = inet_pton(family, name)
            return version, int.from_bytes(packed), 8 * len(packed)
        found = ip_network(name, strict=False)
    except (OSError, ValueError):
        return None
    return found.version, int(found.network_address), found.prefixlen


def explain(effective: Effective) -> Mapping[str, Any]:
    """An answer as JSON can hold it."""
    return {
        "enabled": effective.enabled,
        "params": dict(effective.params),
        "patience": asdict(effective.patience),
        "score": effective.score,
        "severity": effective.severity,
        "because_of": list(effective.layers),
    }
