"""Which notifications a recipient gets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from zoneinfo import ZoneInfo

from exporters.recipients.notification import Notification
from exporters.recipients.settings import Recipient, When
from exporters.recipients.wording import local_time, time_zone
from topics.errors import TaplineError
from topics.records import Alert

PoolsOf = Callable[[str, str], tuple[str, ...]]
"""The names of the pools that an entity (kind, name) is in."""

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def no_pools(_kind: str, _name: str) -> tuple[str, ...]:
    """The pools of entities where there are none."""
    return ()


class Routes:
    """A recipient's ``when``, ready to be asked.

    :class:`TaplineError` when what is written there cannot be used.
    """

    def __init__(self, recipient: Recipient, pools_of: PoolsOf = no_pools) -> None:
        zone = time_zone(recipient)
        self._routes = [_Route(recipient, when, zone, pools_of) for when in recipient.when or (When(),)]

    def fitting(self, notification: Notification) -> frozenset[int]:
        """The numbers of the conditions under which this is meant."""
        return frozenset(
            number
            for number, route in enumerate(self._routes)
            if route.has_event(notification) and route.fits(notification.alert)
        )

    def following(self, notification: Notification, conditions: frozenset[int]) -> bool:
        """True where what comes after an alert that was meant under these conditions is meant."""
        return any(self._routes[number].has_event(notification) for number in conditions)


class _Route:
    def __init__(self, recipient: Recipient, when: When, zone: ZoneInfo, pools_of: PoolsOf) -> None:
        self._when = when
        self._zone = zone
        self._pools_of = pools_of
        self._networks, self._names = _entities(recipient, when)
        self._hours = _hours(recipient, when)

    def has_event(self, notification: Notification) -> bool:
        return not self._when.events or notification.event in self._when.events

    def fits(self, alert: Alert) -> bool:
        when = self._when
        return (
            alert.severity >= when.severity
            and (not when.alerts or any(fnmatchcase(alert.type, pattern) for pattern in when.alerts))
            and (not when.entities or self._is_about(alert))
            and (not when.pools or any(pool in when.pools for pool in self._pools_of(alert.entity_kind, alert.entity)))
            and ((self._hours is None and not when.days) or self._is_in_time(alert))
        )

    def _is_about(self, alert: Alert) -> bool:
        if any(fnmatchcase(alert.entity, pattern) for pattern in self._names):
            return True
        for name in (alert.entity, *((alert.source_ip, alert.destination_ip) if alert.entity_kind == "flow" else ())):
            try:
                address = ip_address(name)
            except ValueError:
                continue
            if any(address in network for network in self._networks):
                return True
        return False

    def _is_in_time(self, alert: Alert) -> bool:
        began = local_time(alert.began or alert.time, self._zone)
        if self._when.days and _DAYS[began.weekday()] not in self._when.days:
            return False
        if self._hours is None:
            return True
        opens, closes = self._hours
        at = began.time()
        return opens <= at < closes if opens < closes else at >= opens or at < closes


def _entities(recipient: Recipient, when: When) -> tuple[list[IPv4Network | IPv6Network], list[str]]:
    networks: list[IPv4Network | IPv6Network] = []
    names: list[str] = []
    for entity in when.entities:
        try:
            networks.append(ip_network(entity))
        except ValueError as error:
            if "/" in entity and entity.partition("/")[0].replace(".", "").isdigit():
                raise TaplineError(f"recipient {recipient.name}: {entity!r} is no network: {error}") from error
            names.append(entity)
    return networks, names


def _hours(recipient: Recipient, when: When) -> tuple[time, time] | None:
    if not when.hours:
        return None
    try:
        opens, closes = (time.fromisoformat(part) for part in when.hours.split("-"))
    except ValueError as error:
        raise TaplineError(f"recipient {recipient.name}: hours {when.hours!r}: write them as 08:00-18:00") from error
    if opens == closes:
        raise TaplineError(f"recipient {recipient.name}: hours {when.hours!r} are none: leave them out for all day")
    return opens, closes
