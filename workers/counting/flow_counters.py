"""From flows to the counter groups.

Two dictionaries are updated per flow, one by host and one by what kind of traffic it is; all seven
groups are folded from them when the window closes, which costs per key and not per flow.

The six sums of a key are the lanes of one integer, so that one addition updates all of them and a key
takes one place in memory. With thousands of hosts most of the time goes by waiting for memory; six numbers
in a list took a third longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_network
from typing import Final

from topics.records import Flow, Partial
from workers.counting import groups

Wanted = Callable[[str], bool]
"""Tells whether a group is wanted."""

LANE: Final = 96
"""Bits for each sum. They hold what 2**31 records of 64 bits come to, and a sign."""

LANES: Final = ("bytes_in", "packets_in", "bytes_out", "packets_out", "flows", "new_flows")
"""The sums, from the lowest lane up."""

_OUT: Final = LANE * LANES.index("bytes_out")
_OLD_FLOW: Final = 1 << LANE * LANES.index("flows")
_NEW_FLOW: Final = _OLD_FLOW + (1 << LANE * LANES.index("new_flows"))
_MASK: Final = (1 << LANE) - 1
_MOST: Final = _MASK >> 1
_ORDER: Final = tuple(LANES.index(name) for name in groups.TRAFFIC_SUMS)


class FlowCounters:
    """The counters of one window of one partition."""

    __slots__ = ("_hosts", "_kinds", "_told")

    def __init__(self) -> None:
        self._hosts: dict[str, int] = {}
        self._kinds: dict[tuple[str, str, int, str], int] = {}
        self._told: dict[str, dict[str, int]] = {}

    def add(self, flows: Sequence[Flow]) -> None:
        """Count the deltas of these flow records."""
        hosts = self._hosts
        kinds = self._kinds
        for flow in flows:
            sent = (flow.delta_source_packets << LANE) + flow.delta_source_bytes
            back = (flow.delta_destination_packets << LANE) + flow.delta_destination_bytes
            one = _NEW_FLOW if flow.sequence == 0 else _OLD_FLOW
            sums = one + (sent << _OUT) + back
            ip = flow.source_ip
            if ip in hosts:
                hosts[ip] += sums
            else:
                hosts[ip] = sums
            kind = (flow.transport, flow.application, flow.destination_port, flow.observation_point)
            if kind in kinds:
                kinds[kind] += sums
            else:
                kinds[kind] = sums
            sums = one + (back << _OUT) + sent
            ip = flow.destination_ip
            if ip in hosts:
                hosts[ip] += sums
            else:
                hosts[ip] = sums

    def partials(self, prefix_v4: int, prefix_v6: int) -> Iterator[Partial]:
        """The sums of all groups; prefix lengths are those of the Subnets group."""
        for name, found in self._by_group(prefix_v4, prefix_v6, _all):
            for key, sums in found.items():
                yield Partial(name, key, _values(sums))

    def changed(self, prefix_v4: int, prefix_v6: int, wanted: Wanted, second: int) -> Iterator[Partial]:
        """How far the keys of these groups have come that have changed since the last call: interim sums."""
        for name, found in self._by_group(prefix_v4, prefix_v6, wanted):
            told = self._told.setdefault(name, {})
            for key, sums in found.items():
                if told.get(key) != sums:
                    told[key] = sums
                    yield Partial(name, key, _values(sums), [], [], second)

    def _by_group(self, prefix_v4: int, prefix_v6: int, wanted: Wanted) -> Iterator[tuple[str, dict[str, int]]]:
        apps: dict[str, int] = {}
        protocols: dict[str, int] = {}
        ports: dict[str, int] = {}
        interfaces: dict[str, int] = {}
        totals: dict[str, int] = {}
        for (transport, application, port, interface), sums in self._kinds.items():
            _fold(apps, application or "Unknown", sums)
            _fold(protocols, transport, sums)
            if port:
                _fold(ports, f"{transport}/{port}", sums)
            _fold(interfaces, interface, sums)
            _fold(totals, "TOTAL", sums)
        subnets: dict[str, int] = {}
        for ip, sums in self._hosts.items() if wanted(groups.SUBNETS.name) else ():
            _fold(subnets, subnet_of(ip, prefix_v4, prefix_v6), sums)
        for group, found in (
            (groups.HOSTS, self._hosts),
            (groups.SUBNETS, subnets),
            (groups.APPS, apps),
            (groups.PROTOCOLS, protocols),
            (groups.PORTS, ports),
            (groups.INTERFACES, interfaces),
            (groups.AGGREGATES, totals),
        ):
            if wanted(group.name):
                yield group.name, found


def _all(_group: str) -> bool:
    return True


@lru_cache(maxsize=100_000)
def subnet_of(ip: str, prefix_v4: int, prefix_v6: int) -> str:
    """The network an address belongs to, as ``192.0.2.0/24``; what is no address is its own key."""
    if prefix_v4 == 24 and ":" not in ip and ip.count(".") == 3:
        return f"{ip.rpartition('.')[0]}.0/24"
    try:
        return str(ip_network(f"{ip}/{prefix_v6 if ':' in ip else prefix_v4}", strict=False))
    except ValueError:
        return ip or "unknown"


def _fold(folded: dict[str, int], key: str, sums: int) -> None:
    folded[key] = folded.get(key, 0) + sums


def _values(sums: int) -> list[int | float]:
    """The values of :data:`workers.counting.groups.TRAFFIC_SUMS` out of their lanes.

    A sum below zero borrows from the lane above it, and gives that back here.
    """
    lanes = []
    for _ in LANES:
        value = sums & _MASK
        if value > _MOST:
            value -= _MASK + 1
        lanes.append(value)
        sums = (sums - value) >> LANE
    return [lanes[index] for index in _ORDER]
