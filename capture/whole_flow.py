"""The record of a flow that is told of once, as a whole."""

from __future__ import annotations

from topics.records import Flow


def whole_flow(
    identity: str,
    end: int,
    node: str,
    observation_point: str,
    community_id: str,
    source_ip: str,
    destination_ip: str,
    source_port: int,
    destination_port: int,
    transport: str,
    protocol_number: int,
    vlan_id: int,
    flow_id: str,
    start: int,
    ip_version: int,
    source_mac: str,
    destination_mac: str,
    application: str,
    state: str,
    end_reason: str,
    tcp_flags_source: int,
    tcp_flags_destination: int,
    source_bytes: int,
    destination_bytes: int,
    source_packets: int,
    destination_packets: int,
    exporter_ip: str = "",
    input_interface: int = 0,
    output_interface: int = 0,
    sampling_rate: int = 0,
    source_as_number: int = 0,
    destination_as_number: int = 0,
    source_payload_bytes: int = 0,
    destination_payload_bytes: int = 0,
) -> Flow:
    """A final record whose deltas are its totals; times are epoch microseconds, it is dated by its end.

    All stands here by its place in :class:`~topics.records.Flow`: given by name it takes longer by far, and this
    runs for every flow of fast sources.
    """
    return Flow(
        identity, end, node, observation_point,
        community_id, source_ip, destination_ip, source_port, destination_port, transport, protocol_number, vlan_id,
        "final", 0, flow_id, start, end, ip_version, source_mac, destination_mac,
        # No tunnel; of the application no more than its name.
        "", "", "", 0, application, "", "", "", "", "",
        state, end_reason, tcp_flags_source, tcp_flags_destination,
        source_bytes, destination_bytes, source_packets, destination_packets,
        source_bytes, destination_bytes, source_packets, destination_packets,
        # Handshake, retransmissions, order and zero windows are not known, nor countries and cities.
        0, 0, 0, 0, 0, 0, 0, 0, 0, source_payload_bytes, destination_payload_bytes, "", "",
        exporter_ip, input_interface, output_interface, sampling_rate, "", "", source_as_number, destination_as_number,
    )  # fmt: skip
