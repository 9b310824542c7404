"""Handshake times and retransmissions of flows against what tshark says of the same capture.

Compared are conversations that are one flow: tshark goes on with a conversation that is begun again on
the same ports, which is a new flow here, and takes a refusal for the end of a handshake. A segment that
fills a gap is to tshark overtaken or sent again by the time since the latest one; here by the time since
the gap opened, and never overtaken if it repeats what was seen. So what is counted here lies between
tshark's retransmissions and these with its out-of-order segments, and both together are what they are to tshark.
"""

import hashlib
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from capture.nfstream_engine.source import NfstreamSource
from capture.settings import CaptureSettings
from capture.source import observe_file
from tests.unit.capture.sinks import KeepingSink
from topics.records import Flow

_ROOT = Path(__file__).parents[2]
_SHARED = _ROOT.parent / "shared" / "captures"

CAPTURES = [
    "big-echo-82582.pcap",
    "ftp-data-eve.pcap",
    "http-206-ranges.pcap",
    "http-browsing-4k6.pcap",
    "http-pdf-filestore.pcap",
    "ipv6-http-streams.pcap",
    "many-protocols.pcap",
    "pop3.pcap",
    "scan-nmap-vsn.pcap",
    "smb-filecontainer.pcap",
    "ssh-basic-long.pcap",
    "ssh-guess.pcap",
    "syslog-mix.pcap",
    "tls-subjectaltname.pcap",
    "tls13-tls3.pcapng",
    "tunnels-mix.pcap",
    "vlan-mpls-mixed.pcap",
]
UNTIMED = {
    "smb-filecontainer.pcap": 1,
}
"""Conversations whose handshake is timed by tshark alone: all three segments bear the same time."""

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


class Stated:
    """What tshark says, by Community ID."""

    def __init__(self, path: Path) -> None:
        self.times: dict[str, set[int]] = defaultdict(set)
        self.sent_again: Counter[str] = Counter()
        self.out_of_order: Counter[str] = Counter()
        self.accepted: set[str] = set()
        fields = "communityid tcp.analysis.initial_rtt tcp.analysis.retransmission tcp.analysis.out_of_order tcp.flags"
        output = subprocess.run(
            ["tshark", "-n", "-r", str(path), "--enable-protocol", "communityid", "-Y", "tcp", "-T", "fields"]
            + [part for field in fields.split() for part in ("-e", field)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for line in output.splitlines():
            community, time, again, order, flags = (each.split(",")[-1] for each in line.split("\t"))
            if time:
                self.times[community].add(round(float(time) * 1_000_000))
            self.sent_again[community] += bool(again)
            self.out_of_order[community] += bool(order)
            if flags and int(flags, 16) & 0x12 == 0x12:
                self.accepted.add(community)


def flows_of(path: Path, transports: AbstractSet[str]) -> list[Flow]:
    """The engine's records of flows over these transports."""
    sink = KeepingSink()
    observation = observe_file("node", path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    NfstreamSource(observation, str(path), CaptureSettings()).run(sink)
    return [flow for flow in sink.flows if flow.transport in transports]


@pytest.mark.parametrize("name", [*CAPTURES, "demo.pcap"])
def test_flows_say_what_tshark_says(name: str) -> None:
    path = _ROOT / "tapline" / "demo" / name if name == "demo.pcap" else _SHARED / name
    if not path.is_file():
        pytest.skip(f"the capture is not there: {path}")
    flows = flows_of(path, {"tcp"})
    flow_ids: dict[str, set[str]] = defaultdict(set)
    for flow in flows:
        flow_ids[flow.community_id].add(flow.flow_id)
    single = {community for community, ids in flow_ids.items() if len(ids) == 1}
    stated = Stated(path)
    read = {flow.community_id: flow for flow in flows if flow.record == "final" and flow.community_id in single}
    again: Counter[str] = Counter()
    for flow in flows:
        again[flow.community_id] += flow.delta_retransmissions
    assert read
    wrong = {
        community: (again[community], stated.sent_again[community], stated.out_of_order[community])
        for community in read
        if not 0 <= again[community] - stated.sent_again[community] <= stated.out_of_order[community]
    }
    assert not wrong
    late = {
        community: (
            flow.total_retransmissions + flow.total_source_out_of_order + flow.total_destination_out_of_order,
            stated.sent_again[community] + stated.out_of_order[community],
        )
        for community, flow in read.items()
    }
    assert not {community: both for community, both in late.items() if both[0] != both[1]}
    assert all(again[community] == flow.total_retransmissions for community, flow in read.items())
    timed = {
        community: ({flow.setup_rtt_us} - {0}, stated.times[community] if community in stated.accepted else set())
        for community, flow in read.items()
    }
    different = {community: both for community, both in timed.items() if both[0] != both[1]}
    assert len(different) == UNTIMED.get(name, 0), different
    assert all(ours == set() for ours, _ in different.values())
