"""The flow that a packet belongs to is the one that the flow engine has counted it in."""

from __future__ import annotations

import pytest

from capture.nfstream_engine.source import NfstreamSource
from capture.packet_scripts.source import PacketSource
from capture.settings import CaptureSettings
from capture.source import observe_file
from tests.golden.scripts.samples import needs_tshark, shared
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture_packet_scripts.made import KeepingScripts

pytestmark = needs_tshark


@pytest.mark.parametrize(
    "name",
    [
        "icmp-tunnel.pcap",
        "pppoe-qinq.pcap",
        "vlan-mpls-mixed.pcap",
        "ipv6-http-streams.pcap",
        "tls-handshake-mix.pcapng",
    ],
)
def test_packets_belong_to_the_flows_of_the_flow_engine(name: str) -> None:
    capture = shared(name)
    observation = observe_file("node", name, "ab" * 32)
    sink = KeepingSink()
    NfstreamSource(observation, str(capture), CaptureSettings()).run(sink)
    flows = {(flow.community_id, flow.transport, flow.vlan_id) for flow in sink.flows}
    scripts = KeepingScripts("ip || ipv6")
    seen = []
    scripts.show = lambda packets: seen.extend(packets) or []  # type: ignore[method-assign]
    PacketSource(observation, str(capture), CaptureSettings(), scripts).run(KeepingSink())
    ends = [each.ends() for each in seen]
    of_none = [each for each in ends if (each.community_id, each.transport, each.vlan_id) not in flows]
    assert of_none == []
    assert len(ends) > 0
    assert {(each.community_id, each.transport, each.vlan_id) for each in ends} == flows
