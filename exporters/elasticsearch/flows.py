"""Flow records as ECS documents.

``network.bytes``, ``source.bytes`` and their like count what came since the flow's previous record,
so that their sum over any set of documents is the traffic captured, however often a flow was
updated, as are ``tapline.flow.source_retransmissions`` and its like; the totals since the flow began are
under ``tapline.flow`` as well.
"""

from __future__ import annotations

from typing import Final

from exporters.elasticsearch.fields import (
    ECS,
    MODULE,
    AsOrganization,
    AutonomousSystem,
    Context,
    Conversation,
    Endpoint,
    Event,
    Fields,
    Geo,
    Ip,
    Network,
    Own,
    UserAgent,
    iana_number,
    mac,
    moment,
    observer,
    protocol_of,
    vlan,
)
from topics.records import Flow


class FlowFields(Fields):
    """``tapline.flow``: fields of :class:`topics.records.Flow` under their own names."""

    id: str
    record: str
    sequence: int | None
    application: str = ""
    application_category: str = ""
    server_name: str = ""
    client_fingerprint: str = ""
    server_fingerprint: str = ""
    tunnel: str = ""
    tunnel_source_ip: Ip = ""
    tunnel_destination_ip: Ip = ""
    tunnel_id: int = 0
    state: str = ""
    end_reason: str = ""
    tcp_flags_source: int = 0
    tcp_flags_destination: int = 0
    total_bytes: int | None = None
    total_packets: int | None = None
    total_source_bytes: int | None = None
    total_destination_bytes: int | None = None
    total_source_packets: int | None = None
    total_destination_packets: int | None = None
    setup_rtt_us: int = 0
    source_retransmissions: int = 0
    destination_retransmissions: int = 0
    total_source_retransmissions: int = 0
    total_destination_retransmissions: int = 0
    total_source_out_of_order: int = 0
    total_destination_out_of_order: int = 0
    total_source_zero_windows: int = 0
    total_destination_zero_windows: int = 0
    total_source_payload_bytes: int = 0
    total_destination_payload_bytes: int = 0
    exporter_ip: Ip = ""
    input_interface: int = 0
    output_interface: int = 0
    sampling_rate: int = 0
    source_subnet: str = ""
    destination_subnet: str = ""
    source_vendor: str = ""
    destination_vendor: str = ""
    source_container: str = ""
    destination_container: str = ""
    source_image: str = ""
    destination_image: str = ""
    source_labels: tuple[str, ...] = ()
    destination_labels: tuple[str, ...] = ()
    service: str = ""
    source_role: str = ""
    destination_role: str = ""
    source_blacklists: tuple[str, ...] = ()
    destination_blacklists: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    score: int = 0
    reasons: tuple[str, ...] = ()


class FlowOwn(Own, kw_only=True):
    """``tapline`` of a flow document."""

    flow: FlowFields


class Question(Fields, kw_only=True):
    """``dns.question``, the name alone."""

    name: str


class FlowDns(Fields, kw_only=True):
    """``dns`` of a flow document."""

    question: Question


class FlowTlsClient(Fields, kw_only=True):
    """``tls.client`` of a flow document."""

    server_name: str = ""
    ja3: str = ""


class FlowTlsServer(Fields, kw_only=True):
    """``tls.server`` of a flow document."""

    ja3s: str = ""


class FlowTls(Fields, kw_only=True):
    """``tls`` of a flow document."""

    client: FlowTlsClient | None = None
    server: FlowTlsServer | None = None


class FlowDocument(Conversation, kw_only=True):
    """A flow as a document."""

    tapline: FlowOwn
    user_agent: UserAgent | None = None
    dns: FlowDns | None = None
    tls: FlowTls | None = None


_NETWORK: Final = ["network"]
_TYPES: Final = {
    ("update", True): ["connection", "start"],
    ("update", False): ["connection", "info"],
    ("final", True): ["connection", "start", "end"],
    ("final", False): ["connection", "end"],
}
_OVER_TLS: Final = frozenset({"tls", "quic", "dtls"})
_NAME_QUERIES: Final = frozenset({"dns", "mdns", "llmnr"})


def flow_document(flow: Flow, context: Context) -> FlowDocument:
    """The document of one flow record."""
    # There are far more flows than of all else, and giving fields by their places is several times as fast.
    protocol, application = protocol_of(flow.application)
    name = flow.server_name
    end = moment(flow.end)
    reasons, score = flow.reasons, flow.score
    sent, received = flow.delta_source_bytes, flow.delta_destination_bytes
    sent_packets, received_packets = flow.delta_source_packets, flow.delta_destination_packets
    document = FlowDocument(
        timestamp=end if flow.time == flow.end else moment(flow.time),
        data_stream=context.data_stream,
        ecs=ECS,
        event=Event(
            flow.id,
            "event",
            MODULE,
            context.dataset,
            _NETWORK,
            _TYPES[flow.record, flow.sequence == 0],
            "",
            moment(flow.start),
            end,
            (flow.end - flow.start) * 1000,
            "; ".join(reasons) if reasons else "",
            0,
            score or None,
        ),
        observer=observer(flow.node, flow.observation_point),
        tags=flow.tags,
        source=Endpoint(
            flow.source_ip,
            flow.source_port,
            mac(flow.source_mac),
            flow.source_domain,
            sent,
            sent_packets,
            _geo(flow.source_country, flow.source_city, flow.source_site),
            _autonomous_system(flow.source_as_number, flow.source_as_organization),
        ),
        destination=Endpoint(
            flow.destination_ip,
            flow.destination_port,
            mac(flow.destination_mac),
            ("" if protocol in _NAME_QUERIES else name) or flow.destination_domain,
            received,
            received_packets,
            _geo(flow.destination_country, flow.destination_city, flow.destination_site),
            _autonomous_system(flow.destination_as_number, flow.destination_as_organization),
        ),
        network=Network(
            "ipv6" if flow.ip_version == 6 else "ipv4",
            flow.transport,
            iana_number(flow.protocol_number),
            protocol,
            application,
            flow.community_id,
            vlan(flow.vlan_id),
            flow.direction,
            sent + received,
            sent_packets + received_packets,
        ),
        tapline=FlowOwn(stream=context.stream, window=context.window, flow=_flow_fields(flow)),
    )
    if flow.user_agent:
        document.user_agent = UserAgent(original=flow.user_agent)
    if name and protocol in _NAME_QUERIES:
        document.dns = FlowDns(question=Question(name=name))
    elif protocol in _OVER_TLS:
        document.tls = _tls(flow)
    return document


def _flow_fields(flow: Flow) -> FlowFields:
    return FlowFields(
        flow.flow_id,
        flow.record,
        flow.sequence,
        flow.application,
        flow.application_category,
        flow.server_name,
        flow.client_fingerprint,
        flow.server_fingerprint,
        flow.tunnel,
        flow.tunnel_source_ip,
        flow.tunnel_destination_ip,
        flow.tunnel_id,
        flow.state,
        flow.end_reason,
        flow.tcp_flags_source,
        flow.tcp_flags_destination,
        flow.total_source_bytes + flow.total_destination_bytes,
        flow.total_source_packets + flow.total_destination_packets,
        flow.total_source_bytes,
        flow.total_destination_bytes,
        flow.total_source_packets,
        flow.total_destination_packets,
        flow.setup_rtt_us,
        flow.delta_source_retransmissions,
        flow.delta_destination_retransmissions,
        flow.total_source_retransmissions,
        flow.total_destination_retransmissions,
        flow.total_source_out_of_order,
        flow.total_destination_out_of_order,
        flow.total_source_zero_windows,
        flow.total_destination_zero_windows,
        flow.total_source_payload_bytes,
        flow.total_destination_payload_bytes,
        flow.exporter_ip,
        flow.input_interface,
        flow.output_interface,
        flow.sampling_rate,
        flow.source_subnet,
        flow.destination_subnet,
        flow.source_vendor,
        flow.destination_vendor,
        flow.source_container,
        flow.destination_container,
        flow.source_image,
        flow.destination_image,
        flow.source_labels,
        flow.destination_labels,
        flow.service,
        flow.source_role,
        flow.destination_role,
        flow.source_blacklists,
        flow.destination_blacklists,
        flow.risks,
        flow.score,
        flow.reasons,
    )


def _geo(country: str, city: str, site: str) -> Geo | None:
    return Geo(country_iso_code=country, city_name=city, name=site) if country or city or site else None


def _autonomous_system(number: int, organization: str) -> AutonomousSystem | None:
    if not number:
        return None
    return AutonomousSystem(number=number, organization=AsOrganization(name=organization) if organization else None)


def _tls(flow: Flow) -> FlowTls | None:
    client = server = None
    ja3 = flow.client_fingerprint if _is_md5(flow.client_fingerprint) else ""
    if flow.server_name or ja3:
        client = FlowTlsClient(server_name=flow.server_name, ja3=ja3)
    if _is_md5(flow.server_fingerprint):
        server = FlowTlsServer(ja3s=flow.server_fingerprint)
    return FlowTls(client=client, server=server) if client or server else None


def _is_md5(fingerprint: str) -> bool:
    """JA3 and JA3S are MD5 sums; JA4, which the engine may give in their place, is not."""
    return len(fingerprint) == 32 and fingerprint.isalnum()
