"""From the records of one template to flows, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import repeat
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from capture.community_id import PORT_PROTOCOLS, community_id, icmp_ports
from capture.eve.ends import NAMES
from capture.exports.windows import Windows
from capture.netflow import NAME
from capture.netflow.applications import application
from capture.netflow.communities import Communities
from capture.netflow.domains import Domain
from capture.netflow.layout import numbers, pieces
from capture.netflow.sampling import rates_of
from capture.netflow.templates import Template
from capture.netflow.times import Sent, times_of
from capture.source import Observation, Sink
from capture.whole_flow import whole_flow
from topics.catalog import FLOW
from topics.partitions import digest

_Array = npt.NDArray[np.void]
_Integers = npt.NDArray[np.int64]

_TCP: Final = 6
_ICMP: Final = {1, 58}
_FIN, _SYN, _RST = 0x01, 0x02, 0x04
_TRANSPORTS: Final = [NAMES.get(number) or f"protocol-{number}" for number in range(256)]
_END_REASONS: Final = {1: "idle", 2: "active", 3: "end", 4: "forced", 5: "resources"}
"""``flowEndReason`` of IPFIX."""

_MOST: Final = 1 << 56
"""No flow has moved so many bytes: a record that says so is wrong."""

_PORTED: Final = np.array(sorted(PORT_PROTOCOLS), np.uint64)


class Part(NamedTuple):
    """Records of one data set, of one length each, and what the header of its datagram says.

    ``exported`` and ``received`` are in epoch microseconds, ``uptime`` in milliseconds (-1: not known); ``sampling``
    is the header's, 0 where it has none.
    """

    rows: bytes
    records: int
    exported: int
    uptime: int
    received: int
    sampling: int


class FlowMaker:
    """Makes a final flow record of each record and puts it; they are numbered, so that ids are the same each time.

    A record that is none of a flow is ignored: without addresses (``no-addresses``), without counters
    (``no-counters``), as NAT and firewall events are, or with counters that cannot be (``counters``).
    """

    def __init__(self, observation: Observation, windows: Windows, sink: Sink) -> None:
        self._observation = observation
        self._windows = windows
        self._sink = sink
        self._communities = Communities()
        self._prefix = digest(observation.identity, NAME)[:20]
        self._number = 0

    def make(self, domain: Domain, template: Template, parts: list[Part]) -> int:
        """Put the flows of these records; how many there were."""
        layout = template.layout
        columns = layout.columns
        counts = [part.records for part in parts]
        total = sum(counts)
        versions = [v for v in (4, 6) if f"source{v}" in columns and f"destination{v}" in columns]
        reason = "" if versions else "no-addresses"
        if not reason and not columns & {"bytes", "packets"}:
            reason = "no-counters"
        if reason:
            self._ignore(reason, total)
            return 0
        array = layout.array(b"".join([part.rows for part in parts]))
        sent, sampling = _sent(parts, counts)
        start, end = times_of(array, columns, sent, domain.boot_ms)
        date, windows = self._windows.date_all(end, sent.received)
        records = _Records(
            array, columns, domain, rates_of(array, columns, domain, sampling), date, date - (end - start), windows
        )
        kept = records.possible()
        if not kept.all():
            self._ignore("counters", total - int(np.count_nonzero(kept)))
            records = records.only(kept)
        if len(versions) == 1:
            return self._put(records, versions[0])
        fourth: npt.NDArray[np.bool_] = (records.array["source4"] | records.array["destination4"]).any(axis=1)
        return self._put(records.only(fourth), 4) + self._put(records.only(~fourth), 6)

    def _ignore(self, reason: str, count: int) -> None:
        self._sink.count(NAME, f"ignored.{reason}", count)

    def _put(self, records: _Records, version: int) -> int:
        # What follows runs for every flow.
        observation, put, prefix = self._observation, self._sink.put, self._prefix
        node, point, exporter = observation.node, observation.observation_point, records.domain.exporter
        number = self._number
        for (
            source_ip, destination_ip, source_port, destination_port, protocol, community,
            time, start, window, source_bytes, source_packets, destination_bytes, destination_packets,
            flags, reverse_flags, end_reason, vlan, source_mac, destination_mac, name, ingress, egress, rate,
        ) in records.rows(version, self._communities):  # fmt: skip
            number += 1
            record_id = f"{prefix}{number:012x}"
            state = ""
            if protocol == _TCP:
                state = state_of(flags, reverse_flags)
            else:
                flags = reverse_flags = 0  # noqa: PLW2901 - only TCP has any
            flow = whole_flow(
                record_id, time, node, point, community, source_ip, destination_ip, source_port, destination_port,
                _TRANSPORTS[protocol], protocol, vlan, record_id, start, version, source_mac, destination_mac, name,
                state, end_reason or ("end" if state in {"closed", "reset"} else ""), flags, reverse_flags,
                source_bytes, destination_bytes, source_packets, destination_packets, exporter, ingress, egress, rate,
            )  # fmt: skip
            put(FLOW, community, flow, window)
        made = number - self._number
        self._number = number
        return made


class _Records(NamedTuple):
    """Records of one template, and what was found out of them; every array has an element for each."""

    array: _Array
    columns: frozenset[str]
    domain: Domain
    rates: _Integers
    end: _Integers
    start: _Integers
    windows: _Integers

    def only(self, chosen: npt.NDArray[np.bool_]) -> _Records:
        """Those that are chosen."""
        return _Records(
            self.array[chosen],
            self.columns,
            self.domain,
            self.rates[chosen],
            self.end[chosen],
            self.start[chosen],
            self.windows[chosen],
        )

    def possible(self) -> npt.NDArray[np.bool_]:
        """Those whose counters can be."""
        kept = np.ones(len(self.array), np.bool_)
        for name in ("bytes", "packets", "reverse_bytes", "reverse_packets"):
            if name in self.columns:
                kept &= numbers(self.array, name) < (_MOST // self.rates).astype(np.uint64)
        return kept

    def rows(self, version: int, communities: Communities) -> Iterator[tuple[Any, ...]]:
        """What a flow is made of, for each."""
        array = self.array
        family = AF_INET if version == 4 else AF_INET6
        sources, destinations = array[f"source{version}"], array[f"destination{version}"]
        source_ports, destination_ports, protocols = (
            self._column("source_port"),
            self._column("destination_port"),
            self._column("protocol"),
        )
        protocols &= np.uint64(0xFF)
        with_ports = np.isin(protocols, _PORTED)
        ports = source_ports & np.uint64(0xFFFF), destination_ports & np.uint64(0xFFFF)
        source_pieces, destination_pieces = pieces(array, f"source{version}"), pieces(array, f"destination{version}")
        if with_ports.all():
            ids = communities.of(sources, destinations, protocols, ports)
        else:
            known = iter(
                communities.of(
                    sources[with_ports], destinations[with_ports], protocols[with_ports],
                    (ports[0][with_ports], ports[1][with_ports]),
                )
            )  # fmt: skip
            kinds = self._icmp(destination_ports)
            ids = [
                next(known) if ported else _community(protocol, source, destination, kind)
                for ported, protocol, source, destination, kind in zip(
                    with_ports.tolist(), protocols.tolist(), source_pieces, destination_pieces, kinds, strict=True
                )
            ]
            ports = np.where(with_ports, ports[0], 0), np.where(with_ports, ports[1], 0)
        return zip(
            [_address(family, piece) for piece in source_pieces],
            [_address(family, piece) for piece in destination_pieces],
            ports[0].tolist(),
            ports[1].tolist(),
            protocols.tolist(),
            ids,
            self.end.tolist(),
            np.maximum(self.start, 0).tolist(),
            self.windows.tolist(),
            self._counter("bytes"),
            self._counter("packets"),
            self._counter("reverse_bytes"),
            self._counter("reverse_packets"),
            self._flags("flags", "first_flags", "more_flags"),
            self._flags("reverse_flags", "first_reverse_flags", "more_reverse_flags"),
            self._end_reasons(),
            self._list("vlan", 0x0FFF),
            self._macs("source_mac"),
            self._macs("destination_mac"),
            self._applications(),
            self._list("input", 0xFFFFFFFF),
            self._list("output", 0xFFFFFFFF),
            self.rates.tolist(),
            strict=True,
        )

    def _column(self, name: str) -> npt.NDArray[np.uint64]:
        return numbers(self.array, name) if name in self.columns else np.zeros(len(self.array), np.uint64)

    def _list(self, name: str, mask: int) -> Iterable[int]:
        if name not in self.columns:
            return repeat(0, len(self.array))
        found: list[int] = (numbers(self.array, name) & np.uint64(mask)).tolist()
        return found

    def _counter(self, name: str) -> Iterable[int]:
        if name not in self.columns:
            return repeat(0, len(self.array))
        found: list[int] = (numbers(self.array, name).astype(np.int64) * self.rates).tolist()
        return found

    def _flags(self, *names: str) -> Iterable[int]:
        found = [numbers(self.array, name) for name in names if name in self.columns]
        if not found:
            return repeat(0, len(self.array))
        together: list[int] = (np.bitwise_or.reduce(found) & np.uint64(0xFF)).tolist()
        return together

    def _end_reasons(self) -> Iterable[str]:
        if "end_reason" not in self.columns:
            return repeat("", len(self.array))
        return [_END_REASONS.get(number, "") for number in numbers(self.array, "end_reason").tolist()]

    def _macs(self, name: str) -> Iterable[str]:
        if name not in self.columns:
            return repeat("", len(self.array))
        return [_mac(piece) for piece in pieces(self.array, name)]

    def _applications(self) -> Iterable[str]:
        if "application" in self.columns:
            return [application(piece) for piece in pieces(self.array, "application")]
        if "application_key" in self.columns and self.domain.applications:
            known = self.domain.applications
            keys = pieces(self.array, "application_key")
            return [application(known[key].encode()) if key in known else "" for key in keys]
        return repeat("", len(self.array))

    def _icmp(self, destination_ports: npt.NDArray[np.uint64]) -> Iterable[int]:
        """Type and code of ICMP, the type times 256: where no field has them, the destination's port."""
        if "icmp" in self.columns:
            return self._list("icmp", 0xFFFF)
        if "icmp_type" in self.columns:
            kinds, codes = self._column("icmp_type"), self._column("icmp_code")
            found: list[int] = (kinds << np.uint64(8) | codes).tolist()
            return found
        ports: list[int] = destination_ports.tolist()
        return ports


def _sent(parts: list[Part], counts: list[int]) -> tuple[Sent, _Integers]:
    """What the datagrams of records say, for each record."""
    of_parts = np.array([part[2:] for part in parts], np.int64)
    exported, uptime, received, sampling = np.repeat(of_parts, counts, axis=0).T
    return Sent(exported, uptime, received), sampling


@lru_cache(maxsize=1 << 14)
def _address(family: int, packed: bytes) -> str:
    return inet_ntop(family, packed)


@lru_cache(maxsize=1 << 14)
def _mac(octets: bytes) -> str:
    return octets.hex(":") if any(octets) else ""


def _community(protocol: int, source: bytes, destination: bytes, kind: int) -> str:
    """The Community ID of a flow of a protocol without ports."""
    if protocol not in _ICMP:
        return community_id(protocol, source, destination)
    first, second, one_way = icmp_ports(protocol, kind >> 8 & 0xFF, kind & 0xFF)
    ports = first.to_bytes(2, "big") + second.to_bytes(2, "big")
    return community_id(protocol, source, destination, ports, one_way=one_way)


@lru_cache(maxsize=1 << 16)
def state_of(flags: int, reverse: int) -> str:
    """The TCP state that the flags of both directions tell of; a one-way record knows but its own."""
    both = flags | reverse
    if both & _RST:
        return "reset"
    if flags & reverse & _FIN:
        return "closed"
    if both & _FIN:
        return "closing"
    if flags == _SYN and not reverse:
        return "syn"
    return "established" if both else ""
