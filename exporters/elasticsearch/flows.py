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


class FlowFields(Fields, kw_only=True):
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
    total_bytes: int | None
    total_packets: int | None
    total_source_bytes: int | None
    total_destination_bytes: int | None
    total_source_packets: int | None
    total_destination_packets: int | None
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
    protocol, application = protocol_of(flow.application)
    name = flow.server_name
    end = moment(flow.end)
    document = FlowDocument(
        timestamp=end if flow.time == flow.end else moment(flow.time),
        data_stream=context.data_stream,
        ecs=ECS,
        event=Event(
            id=flow.id,
            kind="event",
            module=MODULE,
            dataset=context.data_stream.dataset,
            category=_NETWORK,
            type=_TYPES[flow.record, flow.sequence == 0],
            start=moment(flow.start),
            end=end,
            duration=(flow.end - flow.start) * 1000,
            reason="; ".join(flow.reasons) if flow.reasons else "",
            risk_score=flow.score or None,
        ),
        observer=observer(flow.node, flow.observation_point),
        tags=flow.tags,
        source=Endpoint(
            ip=flow.source_ip,
            port=flow.source_port,
            mac=mac(flow.source_mac),
            domain=flow.source_domain,
            bytes=flow.delta_source_bytes,
            packets=flow.delta_source_packets,
            geo=_geo(flow.source_country, flow.source_city, flow.source_site),
            autonomous_system=_autonomous_system(flow.source_as_number, flow.source_as_organization),
        ),
        destination=Endpoint(
            ip=flow.destination_ip,
            port=flow.destination_port,
            mac=mac(flow.destination_mac),
            domain=("" if protocol in _NAME_QUERIES else name) or flow.destination_domain,
            bytes=flow.delta_destination_bytes,
            packets=flow.delta_destination_packets,
            geo=_geo(flow.destination_country, flow.destination_city, flow.destination_site),
            autonomous_system=_autonomous_system(flow.destination_as_number, flow.destination_as_organization),
        ),
        network=Network(
            type="ipv6" if flow.ip_version == 6 else "ipv4",
            transport=flow.transport,
            iana_number=iana_number(flow.protocol_number),
            protocol=protocol,
            application=application,
            community_id=flow.community_id,
            vlan=vlan(flow.vlan_id),
            direction=flow.direction,
            bytes=flow.delta_source_bytes + flow.delta_destination_bytes,
            packets=flow.delta_source_packets + flow.delta_destination_packets,
        ),
        tapline=FlowOwn(
            stream=context.stream,
            window=context.window,
            flow=FlowFields(
                id=flow.flow_id,
                record=flow.record,
                sequence=flow.sequence,
                application=flow.application,
                application_category=flow.application_category,
                server_name=name,
                client_fingerprint=flow.client_fingerprint,
                server_fingerprint=flow.server_fingerprint,
                tunnel=flow.tunnel,
                tunnel_source_ip=flow.tunnel_source_ip,
                tunnel_destination_ip=flow.tunnel_destination_ip,
                tunnel_id=flow.tunnel_id,
                state=flow.state,
                end_reason=flow.end_reason,
                tcp_flags_source=flow.tcp_flags_source,
                tcp_flags_destination=flow.tcp_flags_destination,
                total_bytes=flow.total_source_bytes + flow.total_destination_bytes,
                total_packets=flow.total_source_packets + flow.total_destination_packets,
                total_source_bytes=flow.total_source_bytes,
                total_destination_bytes=flow.total_destination_bytes,
                total_source_packets=flow.total_source_packets,
                total_destination_packets=flow.total_destination_packets,
                setup_rtt_us=flow.setup_rtt_us,
                source_retransmissions=flow.delta_source_retransmissions,
                destination_retransmissions=flow.delta_destination_retransmissions,
                total_source_retransmissions=flow.total_source_retransmissions,
                total_destination_retransmissions=flow.total_destination_retransmissions,
                total_source_out_of_order=flow.total_source_out_of_order,
                total_destination_out_of_order=flow.total_destination_out_of_order,
                total_source_zero_windows=flow.total_source_zero_windows,
                total_destination_zero_windows=flow.total_destination_zero_windows,
                total_source_payload_bytes=flow.total_source_payload_bytes,
                total_destination_payload_bytes=flow.total_destination_payload_bytes,
                exporter_ip=flow.exporter_ip,
                input_interface=flow.input_interface,
                output_interface=flow.output_interface,
                sampling_rate=flow.sampling_rate,
                source_subnet=flow.source_subnet,
                destination_subnet=flow.destination_subnet,
                source_vendor=flow.source_vendor,
                destination_vendor=flow.destination_vendor,
                source_container=flow.source_container,
                destination_container=flow.destination_container,
                source_image=flow.source_image,
                destination_image=flow.destination_image,
                source_labels=flow.source_labels,
                destination_labels=flow.destination_labels,
                service=flow.service,
                source_role=flow.source_role,
                destination_role=flow.destination_role,
                source_blacklists=flow.source_blacklists,
                destination_blacklists=flow.destination_blacklists,
                risks=flow.risks,
                score=flow.score,
                reasons=flow.reasons,
            ),
        ),
    )
    if flow.user_agent:
        document.user_agent = UserAgent(original=flow.user_agent)
    if name and protocol in _NAME_QUERIES:
        document.dns = FlowDns(question=Question(name=name))
    elif protocol in _OVER_TLS:
        document.tls = _tls(flow)
    return document


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
