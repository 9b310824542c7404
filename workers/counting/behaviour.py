"""What hosts and networks do beyond traffic, counted from flows if somebody wants it.

Of each record few fields are put into columns, a message at a time; the sums are made of whole columns when
the window closes. They leave as coded lists (:mod:`workers.counting.coded`), so that a host that did
little takes little.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topics.records import Flow, Partial
from workers.counting.behaviour_groups import (
    BEHAVIOUR,
    CONTACTS,
    MACS,
    SECOND_KINDS,
    SUBNET_BEHAVIOUR,
    SUBNET_CONTACTS,
    SUM_CODES,
    second_code,
)
from workers.counting.coded import CODE_BITS, CODES, MOST_COUNT, packed
from workers.counting.columns import Ints, Numbering, bytes_by_owner, counted, summed
from workers.counting.contacts import ContactColumns, contact_partials
from workers.counting.flow_counters import subnet_of
from workers.counting.flow_kinds import ACK, KINDS
from workers.counting.numbered_counters import NumberedFlowCounters

BROADCAST_MAC: Final = "ff:ff:ff:ff:ff:ff"

_LARGEST: Final = 1 << 53
_CLIENT, _SERVER = 0, 1
_ICMP: Final = SECOND_KINDS.index("icmp")


class Triples:
    """Sums to be: keys, which are a host's number and a code, and what is to be added."""

    def __init__(self) -> None:
        self._keys: list[Ints] = []
        self._counts: list[Ints] = []

    def add(self, hosts: NDArray[Any], code: int, counts: NDArray[Any]) -> None:
        """Add to one code of some hosts."""
        self.add_keys((hosts.astype(np.int64) << CODE_BITS) | code, counts)

    def add_keys(self, keys: Ints, counts: NDArray[Any]) -> None:
        """Add to these keys."""
        self._keys.append(keys)
        self._counts.append(counts.astype(np.int64))

    def sums(self) -> tuple[Ints, Ints]:
        """Every key once, in order, with its sum."""
        keys, counts = np.concatenate(self._keys), np.concatenate(self._counts)
        return summed(keys, counts)


class FlowBehaviour:
    """The behaviour of one window's flows on one partition, beside their counters.

    ``counters`` count the flows that are added, and number their hosts. ``wanted`` are the groups to be counted,
    ``is_local`` tells one's own addresses, and the prefix lengths are those of subnets.
    """

    def __init__(
        self,
        counters: NumberedFlowCounters,
        wanted: frozenset[str],
        is_local: Callable[[str], bool],
        prefix_v4: int,
        prefix_v6: int,
    ) -> None:
        self._counters = counters
        self._wanted = wanted
        self._is_local = is_local
        self._prefixes = (prefix_v4, prefix_v6)
        self._hosts = counters.numbers
        self._countries: list[str] = []
        self._group_addresses: dict[int, bool] = {}
        self._kinds = array("i")
        self._sources = array("i")
        self._destinations = array("i")
        self._starts, self._sent, self._back = array("q"), array("q"), array("q")
        self._extra: dict[int, int] = {}
        wants_contacts = not wanted.isdisjoint((CONTACTS.name, SUBNET_CONTACTS.name, MACS.name))
        self._contacts = ContactColumns(wanted) if wants_contacts else None

    def add(self, flows: Sequence[Flow]) -> None:
        """Count these flow records, in the counters too."""
        table, hosts = KINDS, self._hosts
        known = len(hosts)
        sources, destinations, sent, back = self._counters.number(flows)
        # One field after the other in comprehensions: faster here than what gets several at once.
        kinds = [
            table[
                flow.transport,
                flow.application,
                flow.tcp_flags_source,
                flow.tcp_flags_destination,
                flow.record,
                flow.sequence,
                flow.delta_source_retransmissions,
                flow.delta_destination_retransmissions,
                flow.total_source_out_of_order,
                flow.total_destination_out_of_order,
            ]
            for flow in flows
        ]
        self._kinds.fromlist(kinds)
        self._sources.fromlist(sources)
        self._destinations.fromlist(destinations)
        _put(self._starts, [flow.start for flow in flows])
        _put(self._sent, sent)
        _put(self._back, back)
        if len(hosts) > known:
            self._meet(flows, sources, destinations, known)
        for row in compress(range(len(kinds)), map(table.closer.__getitem__, kinds)):
            self._look_closer(flows[row], kinds[row], sources[row], destinations[row])
        if self._contacts is not None:
            self._contacts.add(flows)

    def partials(self) -> Iterator[Partial]:
        """The sums of all groups wanted."""
        if not self._kinds:
            return
        hosts = list(self._hosts)
        kinds, sources, destinations = (
            np.frombuffer(column, np.int32) for column in (self._kinds, self._sources, self._destinations)
        )
        starts, sent, back = (np.frombuffer(column, np.int64) for column in (self._starts, self._sent, self._back))
        subnets, subnet_of_host = Numbering(), None
        if not self._wanted.isdisjoint((SUBNET_BEHAVIOUR.name, SUBNET_CONTACTS.name)):
            subnet_of_host = np.array([subnets[subnet_of(ip, *self._prefixes)] for ip in hosts], np.int64)
        if not self._wanted.isdisjoint((BEHAVIOUR.name, SUBNET_BEHAVIOUR.name)):
            keys, counts = self._sums(hosts, kinds, sources, destinations, (starts, sent, back))
            if BEHAVIOUR.name in self._wanted:
                yield from _coded_partials(BEHAVIOUR.name, hosts, keys, counts)
            if subnet_of_host is not None and SUBNET_BEHAVIOUR.name in self._wanted:
                of_subnets = (subnet_of_host[keys >> CODE_BITS] << CODE_BITS) | (keys & (CODES - 1))
                yield from _coded_partials(SUBNET_BEHAVIOUR.name, list(subnets), *summed(of_subnets, counts))
        if self._contacts is not None:
            broadcast = self._to_group(len(hosts))[1]
            yield from contact_partials(
                self._contacts,
                self._wanted,
                hosts,
                self._countries,
                kinds,
                sources,
                destinations,
                back > 0,
                broadcast,
                (list(subnets), subnet_of_host),
            )

    def _meet(self, flows: Sequence[Flow], sources: list[int], destinations: list[int], known: int) -> None:
        """Take note of what is the same for a host in all flows: its country, and whether it is a group of hosts."""
        countries = self._countries
        countries += [""] * (len(self._hosts) - known)
        for row, host in enumerate(sources):
            if host >= known:
                countries[host] = flows[row].source_country
        for row, host in enumerate(destinations):
            if host >= known:
                flow = flows[row]
                countries[host] = flow.destination_country
                broadcast = flow.destination_mac == BROADCAST_MAC or flow.destination_ip == "255.255.255.255"
                if broadcast or is_multicast(flow.destination_ip):
                    self._group_addresses[host] = broadcast

    def _to_group(self, count: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For each host whether it stands for several, and whether for all on its link."""
        group, broadcast = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        for host, is_broadcast in self._group_addresses.items():
            group[host] = True
            broadcast[host] = is_broadcast
        return group, broadcast

    def _look_closer(self, flow: Flow, number: int, source: int, destination: int) -> None:
        """Count what is not told by a record's kind alone."""
        kind = KINDS.kinds[number]
        if kind.transport == "icmp":
            self._count_icmp(flow, source, destination)
        if kind.transport == "tcp":
            self._count_troubles(flow, source, destination, final=kind.final)
        if kind.application == "access":
            lasted = (flow.end - _first_moment(flow)) // 1000
            self._count_both("remote_access_seconds", source, destination, lasted)
        if kind.first:
            return
        if kind.answers_syn and 0 < flow.total_destination_packets == flow.delta_destination_packets:
            self._count_both("tcp_answered", source, destination, 1)
            if flow.tcp_flags_source & ACK:
                self._count_both("tcp_completed", source, destination, 1)
        alone = kind.transport == "udp" and kind.final and not flow.total_destination_packets
        if alone and destination not in self._group_addresses:
            self._count_both("udp_one_way", source, destination, 1)

    def _count_both(self, name: str, source: int, destination: int, amount: int) -> None:
        if amount > 0:
            self._count(source, SUM_CODES[f"client_{name}"], amount)
            self._count(destination, SUM_CODES[f"server_{name}"], amount)

    def _count(self, host: int, code: int, amount: int) -> None:
        key = host << CODE_BITS | code
        self._extra[key] = self._extra.get(key, 0) + amount

    def _count_troubles(self, flow: Flow, source: int, destination: int, *, final: bool) -> None:
        self._count_ways("retransmissions", source, destination, flow.delta_source_retransmissions)
        self._count_ways("retransmissions", destination, source, flow.delta_destination_retransmissions)
        if final:
            self._count_ways("out_of_order", source, destination, flow.total_source_out_of_order)
            self._count_ways("out_of_order", destination, source, flow.total_destination_out_of_order)

    def _count_ways(self, name: str, sender: int, receiver: int, amount: int) -> None:
        if amount > 0:
            self._count(sender, SUM_CODES[f"{name}_sent"], amount)
            self._count(receiver, SUM_CODES[f"{name}_received"], amount)

    def _count_icmp(self, flow: Flow, source: int, destination: int) -> None:
        """Spread a flow's packets evenly over the seconds of this record: single ones are not reported."""
        packets = flow.delta_source_packets
        self._count_both("icmp_packets", source, destination, packets)
        last = flow.end // 1_000_000
        first = min(max(_first_moment(flow) // 1_000_000, last - 59), last)
        each, more = divmod(packets, last - first + 1)
        client, server = second_code(_CLIENT, _ICMP), second_code(_SERVER, _ICMP)
        for number, second in enumerate(range(first, last + 1)):
            amount = each + (number < more)
            if amount:
                self._count(source, client + second % 60, amount)
                self._count(destination, server + second % 60, amount)

    def _sums(
        self,
        hosts: list[str],
        kinds: NDArray[np.int32],
        sources: NDArray[np.int32],
        destinations: NDArray[np.int32],
        numbers: tuple[Ints, Ints, Ints],
    ) -> tuple[Ints, Ints]:
        triples = Triples()
        _add_events(triples, kinds, sources, [kind.source for kind in KINDS.kinds])
        _add_events(triples, kinds, destinations, [kind.destination for kind in KINDS.kinds])
        _add_seconds(triples, kinds, sources, numbers[0], _CLIENT)
        _add_seconds(triples, kinds, destinations, numbers[0], _SERVER)
        self._add_packets(triples, hosts, kinds, sources, destinations, numbers)
        if self._extra:
            count = len(self._extra)
            triples.add_keys(
                np.fromiter(self._extra.keys(), np.int64, count), np.fromiter(self._extra.values(), np.int64, count)
            )
        return triples.sums()

    def _add_packets(
        self,
        triples: Triples,
        hosts: list[str],
        kinds: NDArray[np.int32],
        sources: NDArray[np.int32],
        destinations: NDArray[np.int32],
        numbers: tuple[Ints, Ints, Ints],
    ) -> None:
        """What is weighed by packets and bytes, and what depends on which hosts the ends are."""
        count = len(hosts)

        def put(name: str, rows: NDArray[Any], ends: NDArray[np.int32], amounts: Ints | None) -> None:
            weights = None if amounts is None else amounts[rows]
            sums = np.bincount(ends[rows], weights=weights, minlength=count)
            present = np.flatnonzero(sums)
            triples.add(present, SUM_CODES[name], sums[present])

        _, sent, back = numbers
        tcp = np.flatnonzero(KINDS.where("tcp")[kinds])
        for way, of_source, of_destination in (("sent", sent, back), ("received", back, sent)):
            put(f"tcp_packets_{way}", tcp, sources, of_source)
            put(f"tcp_packets_{way}", tcp, destinations, of_destination)
        dns = np.flatnonzero(KINDS.where("udp dns")[kinds])
        for role, ends in (("client", sources), ("server", destinations)):
            put(f"{role}_dns_requests", dns, ends, sent)
            put(f"{role}_dns_replies", dns, ends, back)
        group, broadcast = self._to_group(count)
        alone = np.flatnonzero(KINDS.where("first final udp")[kinds] & (back == 0) & ~group[destinations])
        put("client_udp_one_way", alone, sources, None)
        put("server_udp_one_way", alone, destinations, None)
        if self._group_addresses:
            put("broadcast_packets", np.flatnonzero(broadcast[destinations]), sources, sent)
            put("multicast_packets", np.flatnonzero((group & ~broadcast)[destinations]), sources, sent)
        local = np.fromiter(map(self._is_local, hosts), np.bool_, count)
        begun = KINDS.where("first")[kinds] & ~group[destinations]
        put("client_remote_flows", np.flatnonzero(begun & local[sources] & ~local[destinations]), sources, None)
        put("server_remote_flows", np.flatnonzero(begun & ~local[sources] & local[destinations]), destinations, None)


def _first_moment(flow: Flow) -> int:
    """When what a record tells of can have begun: with its flow, or with the minute of its end."""
    return max(flow.start, flow.end - flow.end % 60_000_000)


def _put(column: array[int], values: list[int]) -> None:
    try:
        column.fromlist(values)
    except OverflowError:
        column.fromlist([min(max(value, 0), _LARGEST) for value in values])


def _add_events(
    triples: Triples, kinds: NDArray[np.int32], ends: NDArray[np.int32], codes: list[tuple[int, ...]]
) -> None:
    """What records count as by their kind alone."""
    number = len(codes)
    pairs, counts = counted(ends.astype(np.int64) * number + kinds)
    hosts, of_pair = pairs // number, pairs % number
    by_code: dict[int, list[int]] = {}
    for kind in np.unique(of_pair).tolist():
        for code in codes[kind]:
            by_code.setdefault(code, []).append(kind)
    for code, members in by_code.items():
        is_member = np.zeros(number, np.bool_)
        is_member[members] = True
        rows = is_member[of_pair]
        triples.add(hosts[rows], code, counts[rows])


def _add_seconds(triples: Triples, kinds: NDArray[np.int32], ends: NDArray[np.int32], starts: Ints, role: int) -> None:
    """In which second of the minute how many flows began."""
    of_kind = KINDS.seconds()[kinds]
    rows = np.flatnonzero(of_kind >= 0)
    first = np.array([second_code(role, kind) for kind in range(len(SECOND_KINDS))], np.int64)
    codes = first[of_kind[rows]] + starts[rows] // 1_000_000 % 60
    keys, counts = counted((ends[rows].astype(np.int64) << CODE_BITS) | codes)
    triples.add_keys(keys, counts)


def _coded_partials(group: str, names: list[str], keys: Ints, counts: Ints) -> Iterator[Partial]:
    """One coded list for each host that has any sums."""
    counts = np.clip(counts, 0, MOST_COUNT)
    values = (counts << CODE_BITS) | (keys & (CODES - 1))
    for host, coded in bytes_by_owner(keys >> CODE_BITS, values):
        yield Partial(group, names[host], [packed(coded)])


def is_multicast(ip: str) -> bool:
    """True for a multicast address of either version (RFC 5771, RFC 4291)."""
    if ":" in ip:
        return ip[:2].lower() == "ff"
    first = ip.partition(".")[0]
    return len(first) == 3 and "224" <= first <= "239"
