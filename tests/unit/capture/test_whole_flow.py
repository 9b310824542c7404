"""The record of a flow that is told of once."""

from __future__ import annotations

from capture.whole_flow import whole_flow
from topics.records import Flow

GIVEN = {
    "community_id": "1:a",
    "node": "node",
    "observation_point": "eth0",
    "source_ip": "192.0.2.1",
    "destination_ip": "192.0.2.2",
    "source_port": 1,
    "destination_port": 2,
    "transport": "tcp",
    "protocol_number": 6,
    "vlan_id": 3,
    "flow_id": "flow",
    "start": 4,
    "end": 5,
    "ip_version": 6,
    "source_mac": "02:00:00:00:00:01",
    "destination_mac": "02:00:00:00:00:02",
    "application": "TLS",
    "state": "closed",
    "end_reason": "end",
    "tcp_flags_source": 7,
    "tcp_flags_destination": 8,
    "exporter_ip": "192.0.2.3",
    "input_interface": 9,
    "output_interface": 10,
    "sampling_rate": 11,
    "source_as_number": 16,
    "destination_as_number": 17,
}
COUNTS = {"source_bytes": 12, "destination_bytes": 13, "source_packets": 14, "destination_packets": 15}
PAYLOAD = {"source_payload_bytes": 18, "destination_payload_bytes": 19}


def test_each_thing_told_is_in_the_field_of_its_name():
    totals = {f"{kind}_{name}": value for kind in ("delta", "total") for name, value in COUNTS.items()}
    totals |= {f"total_{name}": value for name, value in PAYLOAD.items()}
    expected = Flow(id="id", time=5, record="final", **GIVEN, **totals)
    assert whole_flow(identity="id", **GIVEN, **COUNTS, **PAYLOAD) == expected


def test_a_flow_that_no_exporter_told_of_has_none():
    exporter = {"exporter_ip", "input_interface", "output_interface", "sampling_rate"}
    given = {name: value for name, value in GIVEN.items() if name not in exporter}
    flow = whole_flow(identity="id", **given, **COUNTS)
    assert (flow.exporter_ip, flow.input_interface, flow.output_interface, flow.sampling_rate) == ("", 0, 0, 0)
