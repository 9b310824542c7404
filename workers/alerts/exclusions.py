"""Alerts that nobody wants to hear of: which exclusions of the policy fit an alert."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from ipaddress import ip_address, ip_network
from typing import Final

from tapline.policy.model import Exclusion
from topics.records import Alert
from workers.alerts.identity import peer_of

_WILD: Final = frozenset("*?[")
_Fits = Callable[[str], bool]


class Exclusions:
    """The exclusions of a policy, by their keys. They end in the event time of the alerts they are asked about."""

    def __init__(self, exclusions: Mapping[str, Exclusion]) -> None:
        self._by_entity: dict[str, list[_Compiled]] = {}
        self._others: list[_Compiled] = []
        for key, exclusion in exclusions.items():
            compiled = _Compiled(key, exclusion)
            if _is_exact(exclusion.entity):
                self._by_entity.setdefault(exclusion.entity.lower(), []).append(compiled)
            else:
                self._others.append(compiled)

    def find(self, alert: Alert) -> str:
        """The key of an exclusion that fits, empty where none does."""
        candidates: list[_Compiled] = [*self._by_entity.get(alert.entity.lower(), ()), *self._others]
        return next((compiled.key for compiled in candidates if compiled.fits(alert)), "")


class _Compiled:
    """One exclusion, ready to be asked."""

    def __init__(self, key: str, exclusion: Exclusion) -> None:
        self.key: str = key
        self._until = exclusion.until
        self._port = exclusion.port
        self._tests: list[tuple[Callable[[Alert], str], _Fits]] = []
        for read, pattern in (
            (_type_of, exclusion.alert),
            (_entity_of, exclusion.entity),
            (peer_of, exclusion.peer),
            (_transport_of, exclusion.transport or "*"),
            (_signature_of, exclusion.signature),
            (_script_of, exclusion.script),
        ):
            if pattern != "*":
                self._tests.append((read, _test(pattern)))

    def fits(self, alert: Alert) -> bool:
        if self._until and alert.time >= self._until:
            return False
        if self._port and self._port not in (alert.source_port, alert.destination_port):
            return False
        return all(fits(read(alert)) for read, fits in self._tests)


def _type_of(alert: Alert) -> str:
    return alert.type


def _entity_of(alert: Alert) -> str:
    return alert.entity


def _transport_of(alert: Alert) -> str:
    return alert.transport


def _signature_of(alert: Alert) -> str:
    return alert.signature


def _script_of(alert: Alert) -> str:
    return alert.script


def _is_exact(pattern: str) -> bool:
    return not _WILD.intersection(pattern) and "/" not in pattern


def _test(pattern: str) -> _Fits:
    """What fits a pattern: an address in a CIDR network, else a text, in small letters or capitals."""
    if "/" in pattern:
        try:
            network = ip_network(pattern, strict=False)
        except ValueError:
            pass
        else:

            def lies_in(text: str) -> bool:
                try:
                    address = ip_address(text)
                except ValueError:
                    return False
                return address.version == network.version and address in network

            return lies_in
    if _is_exact(pattern):
        wanted = pattern.lower()
        return lambda text: text.lower() == wanted
    matches = re.compile(translate(pattern.lower())).match
    return lambda text: matches(text.lower()) is not None
