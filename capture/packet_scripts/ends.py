"""The flow that a packet belongs to, read from tshark's dissection of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Final

from capture.community_id import community_id, icmp_ports
from capture.nfstream_engine.flows import TRANSPORTS
from capture.tshark.frame import Conversation, Unusable, conversation_of

Layers = Mapping[str, Any]
"""The layers of a packet as ``tshark -T ek`` prints them: by protocol its fields, or a list where it occurs often."""

_QUOTING: Final = {"icmp": 1, "icmpv6": 58}
_IP: Final = ("ip", "ipv6")
_WANTED: Final = (
    *((protocol, field) for protocol in _IP for field in ("src", "dst")),
    ("vlan", "id"),
    ("ieee8021ad", "id"),
    *((protocol, field) for protocol in ("tcp", "udp", "sctp") for field in ("srcport", "dstport")),
)


def conversation(protocols: str, layers: Layers) -> Conversation | None:
    """The flow of a packet with these protocols (``eth:ethertype:ip:udp:dns``); ``None`` where it is not IP.

    It is the flow that the flow engine sees: of tunnels the outermost, through IP in IP and GTP-U.
    """
    names = protocols.split(":")
    # What a packet quotes of others, or brings samples of, is not its own.
    quoting = next((place for place, name in enumerate(names) if name in (*_QUOTING, "sflow")), len(names))
    own = names[:quoting]
    fields = {
        f"{protocol}_{field}": [str(value) for value in values]
        for protocol, field in _WANTED
        if (values := _values(layers, protocol, field))
    }
    fields["frame_protocols"] = [":".join(own)]
    try:
        return conversation_of(fields)
    except Unusable:
        pass
    try:
        return _without_ports(own, names[quoting : quoting + 1], layers)
    except (LookupError, ValueError):
        return None


def arp_addresses(layers: Layers) -> tuple[str, str]:
    """Whose address an ARP packet tells and whose it asks for, empty where it is none."""
    return _first(layers, "arp", "src_proto_ipv4"), _first(layers, "arp", "dst_proto_ipv4")


def _without_ports(own: list[str], following: list[str], layers: Layers) -> Conversation | None:
    """The flow of a packet whose protocol over IP has no ports, or of which a fragment hides them."""
    inner = [name for name in own if name in _IP]
    if not inner:
        return None
    name = inner[-1]
    place = inner.count(name) - 1
    source, destination = _values(layers, name, "src")[place], _values(layers, name, "dst")[place]
    quoting = following[0] if following else ""
    one_way, ports = False, b""
    if quoting in _QUOTING:
        protocol = _QUOTING[quoting]
        kind, code = int(_first(layers, quoting, "type")), int(_first(layers, quoting, "code"))
        request, reply, one_way = icmp_ports(protocol, kind, code)
        ports = request.to_bytes(2, "big") + reply.to_bytes(2, "big")
    else:
        protocol = int(_values(layers, name, "proto" if name == "ip" else "nxt")[place])
    packed = ip_address(source).packed, ip_address(destination).packed
    identity = community_id(protocol, *packed, ports, one_way=one_way)
    tags = [int(str(tag), 0) for tag in (*_values(layers, "ieee8021ad", "id"), *_values(layers, "vlan", "id"))]
    transport = TRANSPORTS.get(protocol) or f"protocol-{protocol}"
    return Conversation(source, destination, 0, 0, transport, protocol, tags[-1] if tags else 0, identity)


def _values(layers: Layers, protocol: str, field: str) -> list[Any]:
    """A field's value in each layer of a protocol that has it, outermost first."""
    found: list[Any] = []
    for layer in _each(layers.get(protocol)):
        value = layer.get(f"{protocol}_{protocol}_{field}")
        if value is not None:
            found.append(value[0] if isinstance(value, list) else value)
    return found


def _each(layer: Any) -> Iterable[Mapping[str, Any]]:
    several = layer if isinstance(layer, list) else [layer]
    return [each for each in several if isinstance(each, dict)]


def _first(layers: Layers, protocol: str, field: str) -> str:
    values = _values(layers, protocol, field)
    return str(values[0]) if values else ""
