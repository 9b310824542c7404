"""ECS field sets that several kinds of documents share, as Structs that encode straight to bytes.

Each Struct is one object of a document. Its annotations are also the mapping: the index templates
are derived from them (:mod:`exporters.elasticsearch.mappings`), so no field is written unmapped.
A field equal to its default is left out of the document. Names, units and allowed values are those
of the Elastic Common Schema 8; what ECS has no name for goes under ``tapline``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final

from msgspec import Meta, Struct

from topics.records import Endpoints, Record

ECS_VERSION: Final = "8.17.0"
MODULE: Final = "tapline"

Ip = Annotated[str, Meta(extra={"type": "ip"})]
Text = Annotated[str, Meta(extra={"type": "text"})]
Float = Annotated[float, Meta(extra={"type": "float"})]
Double = Annotated[float, Meta(extra={"type": "double"})]
Moment = datetime | int
"""Event time to the microsecond (``date_nanos``); a plain number where the calendar ends, see :func:`moment`."""
Day = Annotated[datetime | int, Meta(extra={"type": "date"})]
"""A time that may lie outside 1970 to 2262, which ``date_nanos`` cannot hold, as certificates have."""
Address = Annotated[str, Meta(extra={"type": "keyword", "ignore_above": 8191})]
"""A URL or a part of one; 8191 characters are the most that always fit into a Lucene term."""
Unindexed = Annotated[str, Meta(extra={"type": "keyword", "index": False, "doc_values": False})]
Attributes = Annotated[dict[str, str], Meta(extra={"type": "flattened", "ignore_above": 1024})]
Meters = Annotated[dict[str, int | float], Meta(extra={"type": "object", "dynamic": True})]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds: int) -> Moment:
    """The time a record's microseconds since the epoch stand for.

    Where the calendar cannot hold it (a broken capture), it is given in milliseconds since the epoch,
    which Elasticsearch reads too, so that a document can always be made.
    """
    try:
        return _EPOCH + timedelta(0, 0, microseconds)
    except OverflowError:
        return microseconds // 1000


@lru_cache(maxsize=1024)
def window_start(seconds: int) -> Day:
    """The start of a window that is given in seconds since the epoch."""
    return moment(seconds * 1_000_000)


class Fields(Struct, omit_defaults=True, gc=False):
    """Base of all objects in a document."""


class Ecs(Fields, kw_only=True):
    """``ecs``: the version of the schema the documents keep to."""

    version: str


class DataStream(Fields, kw_only=True):
    """``data_stream``: where the document belongs."""

    type: str
    dataset: str
    namespace: str

    @property
    def name(self) -> str:
        """The data stream's name, as ``logs-tapline.flow-default``."""
        return f"{self.type}-{self.dataset}-{self.namespace}"


class Event(Fields):
    """``event``: what kind of thing happened and when; ``duration`` is in nanoseconds."""

    id: str
    kind: str
    module: str
    dataset: str
    category: list[str] | None = None
    type: list[str] | None = None
    action: str = ""
    start: Moment | None = None
    end: Moment | None = None
    duration: int | None = None
    reason: str = ""
    severity: int = 0
    risk_score: Float | None = None


class Interface(Fields, kw_only=True):
    """``observer.ingress.interface``."""

    name: str


class Ingress(Fields, kw_only=True):
    """``observer.ingress``."""

    interface: Interface


class Observer(Fields, kw_only=True):
    """``observer``: the capture node and where it looked."""

    name: str = ""
    ingress: Ingress | None = None


class Vlan(Fields, kw_only=True):
    """``network.vlan``."""

    id: str


class Network(Fields):
    """``network``: the conversation; bytes and packets are those of both directions."""

    type: str = ""
    transport: str = ""
    iana_number: str = ""
    protocol: str = ""
    application: str = ""
    community_id: str = ""
    vlan: Vlan | None = None
    direction: str = ""
    bytes: int | None = None
    packets: int | None = None


class Geo(Fields, kw_only=True):
    """``source.geo`` and its like: where an address is; ``name`` is the site's."""

    country_iso_code: str = ""
    city_name: str = ""
    name: str = ""


class AsOrganization(Fields, kw_only=True):
    """``source.as.organization`` and its like."""

    name: str


class AutonomousSystem(Fields, kw_only=True):
    """``source.as`` and its like: whose an address is."""

    number: int
    organization: AsOrganization | None = None


class Endpoint(Fields, rename={"autonomous_system": "as"}):
    """``source`` and ``destination``: one end and what it sent."""

    ip: Ip = ""
    port: int = 0
    mac: str = ""
    domain: str = ""
    bytes: int | None = None
    packets: int | None = None
    geo: Geo | None = None
    autonomous_system: AutonomousSystem | None = None


class UserAgent(Fields, kw_only=True):
    """``user_agent``."""

    original: str


class Own(Fields, kw_only=True):
    """``tapline``: what ECS has no name for. ``window`` is the start of the record's window."""

    stream: str = ""
    window: Day | None = None


class Common(Fields, kw_only=True, rename={"timestamp": "@timestamp"}):
    """What every document carries."""

    timestamp: Moment
    data_stream: DataStream | None = None
    ecs: Ecs
    event: Event
    observer: Observer | None = None
    message: Text = ""
    tags: tuple[str, ...] = ()


class Conversation(Common, kw_only=True):
    """A document about two ends that spoke with each other."""

    source: Endpoint | None = None
    destination: Endpoint | None = None
    network: Network | None = None


class Context(Struct, frozen=True):
    """What the documents of one message have in common."""

    stream: str
    window: Day
    data_stream: DataStream

    @property
    def dataset(self) -> str:
        """The data set, as ``tapline.flow``."""
        return self.data_stream.dataset


ECS: Final = Ecs(version=ECS_VERSION)


@lru_cache(maxsize=4096)
def observer(node: str, observation_point: str) -> Observer | None:
    """The observer of a record, ``None`` when the record names none."""
    ingress = Ingress(interface=Interface(name=observation_point)) if observation_point else None
    return Observer(name=node, ingress=ingress) if node or ingress else None


def observer_of(record: Record) -> Observer | None:
    """The observer of a record."""
    return observer(record.node, record.observation_point)


@lru_cache(maxsize=4096)
def vlan(number: int) -> Vlan | None:
    """The VLAN of a record, ``None`` when it has none."""
    return Vlan(id=str(number)) if number else None


@lru_cache(maxsize=4096)
def mac(address: str) -> str:
    """A MAC address as ECS wants it (RFC 7042: upper case, hyphens)."""
    return address.upper().replace(":", "-")


@lru_cache(maxsize=256)
def iana_number(protocol: int) -> str:
    """The IP protocol number as the keyword ECS makes of it; "" for none."""
    return str(protocol) if protocol else ""


@lru_cache(maxsize=4096)
def protocol_of(application: str) -> tuple[str, str]:
    """``network.protocol`` and ``network.application`` of nDPI's name: ``TLS.Google`` is tls and google."""
    protocol, _, service = application.lower().partition(".")
    return "" if protocol == "unknown" else protocol, service


def address_type(address: str) -> str:
    """``network.type`` of an address: ``ipv4``, ``ipv6`` or "" for none."""
    return "" if not address else "ipv6" if ":" in address else "ipv4"


def source_of(record: Endpoints) -> Endpoint | None:
    """The source of a record, ``None`` when it has none."""
    if not record.source_ip and not record.source_port:
        return None
    return Endpoint(ip=record.source_ip, port=record.source_port)


def destination_of(record: Endpoints, domain: str = "") -> Endpoint | None:
    """The destination of a record, ``None`` when it has none."""
    if not record.destination_ip and not record.destination_port and not domain:
        return None
    return Endpoint(ip=record.destination_ip, port=record.destination_port, domain=domain)


def network_of(record: Endpoints, protocol: str = "") -> Network | None:
    """The conversation of a record, ``None`` when it is about none."""
    if not record.community_id and not record.transport and not record.source_ip:
        return None
    return Network(
        type=address_type(record.source_ip),
        transport=record.transport,
        iana_number=iana_number(record.protocol_number),
        protocol=protocol,
        community_id=record.community_id,
        vlan=vlan(record.vlan_id),
    )
