"""What stands in the messages of goflow2 and nProbe.

goflow2 writes a flow a message (https://github.com/netsampler/goflow2, its page on protocols), nProbe one or an
array of them, whose members are named by NetFlow v9's numbers or their names
(https://www.ntop.org/guides/nprobe/flow_information_elements.html).
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_pton
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from capture.eve.ends import NAMES
from capture.exports.collected import Collected

MOST_FLOWS: Final = 10_000
"""How many flows a message may have."""

_NUMBERS: Final = {name: number for number, name in NAMES.items()} | {"icmpv6": 58}
_SECOND: Final = 1_000_000

_MOST: Final = 1 << 56
"""No flow has moved so many bytes."""

_Counter = Annotated[int, Meta(ge=0, lt=_MOST)]
_Port = Annotated[int, Meta(ge=0, le=65_535)]
_Interface = Annotated[int, Meta(ge=0, lt=1 << 32)]
_Nanoseconds = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Rate = Annotated[int, Meta(ge=0, le=1 << 24)]


class MessageError(ValueError):
    """A message, or a flow in it, that cannot be used; ``reason`` is a short word to count it by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Goflow2(Struct):
    """The members of goflow2's flows that are read; counters are those of the packets that were looked at."""

    src_addr: str
    dst_addr: str
    proto: str | int = 0
    src_port: _Port = 0
    dst_port: _Port = 0
    bytes: _Counter = 0
    packets: _Counter = 0
    time_flow_start_ns: _Nanoseconds = 0
    time_flow_end_ns: _Nanoseconds = 0
    time_received_ns: _Nanoseconds = 0
    sampling_rate: _Rate = 0
    sampler_address: str = ""
    in_if: _Interface = 0
    out_if: _Interface = 0
    src_mac: str = ""
    dst_mac: str = ""
    src_vlan: _Port = 0
    vlan_id: _Port = 0
    tcp_flags: _Port = 0
    icmp_type: Annotated[int, Meta(ge=0, le=255)] = 0
    icmp_code: Annotated[int, Meta(ge=0, le=255)] = 0


class Nprobe(Struct):
    """The members of nProbe's flows that are read; times are in epoch seconds, ``out_*`` is the way back."""

    source: str
    destination: str
    protocol: Annotated[int, Meta(ge=0, le=255)] = 0
    source_port: _Port = 0
    destination_port: _Port = 0
    in_bytes: _Counter = 0
    in_packets: _Counter = 0
    out_bytes: _Counter = 0
    out_packets: _Counter = 0
    first: Annotated[int, Meta(ge=0, lt=1 << 40)] = 0
    last: Annotated[int, Meta(ge=0, lt=1 << 40)] = 0
    input: _Interface = 0
    output: _Interface = 0
    vlan: _Port = 0
    source_mac: str = ""
    destination_mac: str = ""
    tcp_flags: _Port = 0
    icmp: _Port = 0
    exporter: str = ""
    application: str = ""


_NPROBE: Final = {
    "8": "source", "IPV4_SRC_ADDR": "source", "27": "source", "IPV6_SRC_ADDR": "source", "12": "destination",
    "IPV4_DST_ADDR": "destination", "28": "destination", "IPV6_DST_ADDR": "destination", "4": "protocol",
    "PROTOCOL": "protocol", "7": "source_port", "L4_SRC_PORT": "source_port", "11": "destination_port",
    "L4_DST_PORT": "destination_port", "1": "in_bytes", "IN_BYTES": "in_bytes", "2": "in_packets",
    "IN_PKTS": "in_packets", "23": "out_bytes", "OUT_BYTES": "out_bytes", "24": "out_packets",
    "OUT_PKTS": "out_packets", "22": "first", "FIRST_SWITCHED": "first", "21": "last", "LAST_SWITCHED": "last",
    "10": "input", "INPUT_SNMP": "input", "14": "output", "OUTPUT_SNMP": "output", "58": "vlan", "SRC_VLAN": "vlan",
    "56": "source_mac", "IN_SRC_MAC": "source_mac", "57": "destination_mac", "OUT_DST_MAC": "destination_mac",
    "6": "tcp_flags", "TCP_FLAGS": "tcp_flags", "32": "icmp", "ICMP_TYPE": "icmp", "130": "exporter",
    "EXPORTER_IPV4_ADDRESS": "exporter", "131": "exporter", "EXPORTER_IPV6_ADDRESS": "exporter",
    "57591": "application", "L7_PROTO_NAME": "application",
}  # fmt: skip
_NO_ADDRESS: Final = frozenset({"", "::", "0.0.0.0"})  # noqa: S104 - as it is written for none


def flows_of(message: bytes | None) -> list[Collected | MessageError]:
    """The flows in a message, with an error for each that cannot be used; :class:`MessageError` for the whole."""
    try:
        found = msgspec.json.decode(message or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError("json", str(error)) from error
    rows = found if isinstance(found, list) else [found]
    if len(rows) > MOST_FLOWS:
        raise MessageError("json-flows", f"a message of {len(rows)} flows, more than {MOST_FLOWS}")
    flows: list[Collected | MessageError] = []
    for row in rows:
        try:
            flows.append(_flow(row))
        except MessageError as error:
            flows.append(error)
    return flows


def _flow(row: Any) -> Collected:
    if not isinstance(row, dict):
        raise MessageError("json-type", "a flow is no object")
    try:
        if "src_addr" in row:
            return _of_goflow2(msgspec.convert(row, Goflow2))
        named: dict[str, Any] = {}
        for key, value in row.items():
            name = _NPROBE.get(key)
            # Of both kinds of addresses one is empty.
            if name and named.get(name) in {None, *_NO_ADDRESS}:
                named[name] = value
        if "source" in named:
            return _of_nprobe(msgspec.convert(named, Nprobe, strict=False))
    except (msgspec.ValidationError, TypeError) as error:
        raise MessageError("json-type", str(error)) from error
    raise MessageError("json-fields", "neither goflow2's src_addr nor nProbe's IPV4_SRC_ADDR (8) is there")


def _of_goflow2(flow: Goflow2) -> Collected:
    rate = flow.sampling_rate or 1
    if max(flow.bytes, flow.packets) * rate >= _MOST:
        raise MessageError("counters", "more bytes or packets than a flow can have")
    protocol, transport = _protocol(flow.proto)
    end = flow.time_flow_end_ns or flow.time_received_ns
    return Collected(
        *_ends(flow.src_addr, flow.dst_addr),
        protocol=protocol,
        transport=transport,
        ports=(flow.src_port, flow.dst_port),
        counts=(flow.bytes * rate, flow.packets * rate),
        reverse=(0, 0),
        start=(flow.time_flow_start_ns or end) // 1000,
        end=end // 1000,
        rate=rate,
        exporter=flow.sampler_address,
        interfaces=(flow.in_if, flow.out_if),
        macs=(_mac(flow.src_mac), _mac(flow.dst_mac)),
        vlan=flow.src_vlan or flow.vlan_id,
        tcp_flags=flow.tcp_flags & 0xFF,
        icmp=flow.icmp_type << 8 | flow.icmp_code,
        application="",
    )


def _of_nprobe(flow: Nprobe) -> Collected:
    protocol, transport = _protocol(flow.protocol)
    return Collected(
        *_ends(flow.source, flow.destination),
        protocol=protocol,
        transport=transport,
        ports=(flow.source_port, flow.destination_port),
        counts=(flow.in_bytes, flow.in_packets),
        reverse=(flow.out_bytes, flow.out_packets),
        start=flow.first * _SECOND,
        end=flow.last * _SECOND,
        rate=1,
        exporter=flow.exporter,
        interfaces=(flow.input, flow.output),
        macs=(_mac(flow.source_mac), _mac(flow.destination_mac)),
        vlan=flow.vlan,
        tcp_flags=flow.tcp_flags & 0xFF,
        icmp=flow.icmp,
        application=flow.application,
    )


def _ends(source: str, destination: str) -> tuple[bytes, bytes]:
    packed = []
    for address in (source, destination):
        try:
            packed.append(inet_pton(AF_INET6 if ":" in address else AF_INET, address))
        except (OSError, ValueError) as error:
            raise MessageError("json-address", f"{address[:64]!r} is no IP address") from error
    if len(packed[0]) != len(packed[1]):
        raise MessageError("json-address", "one end has an address of IPv4, the other one of IPv6")
    return packed[0], packed[1]


def _protocol(protocol: str | int) -> tuple[int, str]:
    """The IP protocol's number and name; goflow2 writes the names, and numbers where there is none."""
    name = str(protocol).lower()
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 4 else _NUMBERS.get(name, 0)
    number = number if number < 256 else 0
    return number, NAMES.get(number, f"protocol-{number}")


def _mac(address: str) -> str:
    return "" if address.strip("0:") == "" else address.lower()
