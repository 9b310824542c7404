"""A frame as tshark prints it, and the conversation it belongs to."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from msgspec import Struct

from capture.community_id import PORT_PROTOCOLS, community_id

FIELDS = (
    "frame.number",
    "frame.time_epoch",
    "frame.protocols",
    "vlan.id",
    "ieee8021ad.id",
    "ip.src",
    "ip.dst",
    "ip.proto",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.stream",
    "tcp.seq",
    "udp.srcport",
    "udp.dstport",
    "udp.stream",
    "sctp.srcport",
    "sctp.dstport",
)

_IN_IP = {"ip": "ipv4", "ipv6": "ipv6"}
_TRANSPORTS = {"ipv4": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "ah": 51, "etherip": 97, "sctp": 132}
_IP = ("ip", "ipv6")
_TAGS = {"vlan": "vlan_id", "ieee8021ad": "ieee8021ad_id"}
_TUNNELS = {"gtp": "udp", "vxlan": "udp", "geneve": "udp", "teredo": "udp", "gre": "gre", "erspan": "gre"}
"""Tunnels other than IP in IP, and what carries them."""

_QUOTING = {"icmp": "quoted-by-icmp", "icmpv6": "quoted-by-icmp", "sflow": "sampled-by-sflow"}


class Conversation(Struct, frozen=True, gc=False):
    """The ends of the flow a frame belongs to; ``source`` is here the frame's sender."""

    source_ip: str
    destination_ip: str
    source_port: int
    destination_port: int
    transport: str
    protocol_number: int
    vlan_id: int
    community_id: str

    def reversed(self) -> Conversation:
        """The same flow with its ends swapped."""
        return Conversation(
            self.destination_ip,
            self.source_ip,
            self.destination_port,
            self.source_port,
            self.transport,
            self.protocol_number,
            self.vlan_id,
            self.community_id,
        )


class Content(Struct, frozen=True):
    """What the tap script says of a frame: bytes in hex, each with its size.

    ``http`` is per message its head and the length of what follows; ``body`` the contents of
    messages, dechunked and decompressed, as is ``http2``; ``mail``, ``segment`` (FTP data), ``smb``
    (file data of SMB 1), ``smb2`` and ``tftp`` (whole messages) are as carried.
    """

    frame: int = 0
    http: list[tuple[str, int]] = []
    body: list[tuple[str, int]] = []
    mail: list[tuple[str, int]] = []
    segment: list[tuple[str, int]] = []
    tftp: list[tuple[str, int]] = []
    http2: list[tuple[str, int]] = []
    smb: list[tuple[str, int]] = []
    smb2: list[tuple[str, int]] = []


NO_CONTENT = Content()


class Frame(Struct):
    """One frame: its number from 1, its time in epoch microseconds, and field values by tshark's key.

    A key is the field's name with ``_`` for ``.``; a field that occurs several times has several values.
    """

    number: int
    time: int
    layers: dict[str, list[str]]
    conversation: Conversation
    content: Content = NO_CONTENT

    def all(self, key: str) -> list[str]:
        """Every value of a field, in the order of the frame."""
        return self.layers.get(key) or []

    def first(self, key: str) -> str:
        """The first value of a field, or ``""``."""
        values = self.layers.get(key)
        return values[0] if values else ""

    def last(self, key: str) -> str:
        """The last value of a field, or ``""``: of a tunnelled frame the innermost layer's."""
        values = self.layers.get(key)
        return values[-1] if values else ""

    @property
    def protocols(self) -> list[str]:
        """The names of the protocols in the frame, outermost first."""
        return self.first("frame_protocols").split(":")

    @property
    def stream(self) -> str:
        """What tells the frame's innermost TCP or UDP conversation from all others in the input."""
        tcp = self.last("tcp_stream")
        return f"tcp{tcp}" if tcp else f"udp{self.last('udp_stream')}"


class Unusable(Exception):
    """A frame that makes no records; its text is the reason to count."""


class _Plan(Struct, frozen=True):
    """Where the values that tell a frame's flow are, by its protocols: keys, and places in their lists."""

    source: str
    destination: str
    ip_index: int
    transport: str
    source_port: str
    destination_port: str
    transport_index: int
    tag: str
    tag_index: int


@lru_cache(maxsize=4096)
def _plan(protocols: str, *, tunnels: bool) -> _Plan | str:
    """The plan for a frame of these protocols, or the reason why its records cannot be placed.

    The flow is the one the flow engine sees: with ``tunnels`` that of the innermost IP header in the tunnels that it
    knows, else that of the outermost.
    """
    seen = dict.fromkeys((*_IP, *_TRANSPORTS), 0)
    plan: _Plan | None = None
    tags = dict.fromkeys(_TAGS, 0)
    ip, position, tag, place = "", 0, "", -1
    # Whether what comes next may be of the packet that counts: nothing came yet, or a tunnel's header.
    inside = True
    for name in protocols.split(":"):
        if name in _QUOTING:
            return _QUOTING[name]
        if name in _TAGS:
            tags[name] += 1
            if inside:
                tag, place = name, tags[name] - 1
            continue
        transport = ""
        if name in _IP:
            seen[name] += 1
            # IP in IP has no header between the two.
            if inside or (tunnels and plan is None):
                ip, position, plan, inside = name, seen[name] - 1, None, False
            else:
                transport = _IN_IP[name]
        elif name in _TRANSPORTS:
            seen[name] += 1
            # Over IPv6 the authentication header is an extension, which flows do not stop at.
            if not (name == "ah" and ip == "ipv6"):
                transport = name
        if transport and plan is None and ip:
            has_ports = _TRANSPORTS[transport] in PORT_PROTOCOLS
            plan = _Plan(
                source=f"{ip}_src",
                destination=f"{ip}_dst",
                ip_index=position,
                transport=transport,
                source_port=f"{transport}_srcport" if has_ports else "",
                destination_port=f"{transport}_dstport" if has_ports else "",
                transport_index=seen[name] - 1,
                tag=_TAGS.get(tag, ""),
                tag_index=place,
            )
        if tunnels and plan is not None and plan.transport == _TUNNELS.get(name):
            inside = True
    if not ip:
        return "not-ip"
    return plan or "transport"


def conversation_of(layers: dict[str, list[str]], *, tunnels: bool = True) -> Conversation:
    """The flow a frame belongs to, with ``tunnels`` that of the packet inside; :class:`Unusable` when it has none."""
    plan = _plan((layers.get("frame_protocols") or [""])[0], tunnels=tunnels)
    if isinstance(plan, str):
        raise Unusable(plan)
    try:
        ip_index, transport_index = plan.ip_index, plan.transport_index
        return _conversation(
            layers[plan.source][ip_index],
            layers[plan.destination][ip_index],
            layers[plan.source_port][transport_index] if plan.source_port else "0",
            layers[plan.destination_port][transport_index] if plan.destination_port else "0",
            plan.transport,
            layers[plan.tag][plan.tag_index] if plan.tag else "0",
        )
    except (KeyError, IndexError, ValueError):
        raise Unusable("addresses") from None


@lru_cache(maxsize=65536)
def _conversation(
    source: str, destination: str, source_port: str, destination_port: str, transport: str, vlan: str
) -> Conversation:
    number, sending, receiving = _TRANSPORTS[transport], int(source_port), int(destination_port)
    ports = sending.to_bytes(2, "big") + receiving.to_bytes(2, "big") if number in PORT_PROTOCOLS else b""
    identity = community_id(number, ip_address(source).packed, ip_address(destination).packed, ports)
    return Conversation(source, destination, sending, receiving, transport, number, int(vlan, 0), identity)


def microseconds(seconds: str) -> int:
    """Epoch microseconds of tshark's decimal seconds, without going through a float."""
    whole, _, fraction = seconds.partition(".")
    below = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return int(whole) * 1_000_000 + (-below if whole.startswith("-") else below)
