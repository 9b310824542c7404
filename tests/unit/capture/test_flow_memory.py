"""What the flow engine holds: the flows that go on, and nothing of those that have ended."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from capture.nfstream_engine.flow_state import FlowState, Half, Table
from capture.settings import CaptureSettings
from tests.unit.capture.sinks import flows_of
from tests.unit.capture.test_nfstream import SECOND, START, A, B, at, session
from tests.unit.capture.test_tunnels import FORTH, vxlan
from tests.unit.capture.wire import Frame, ethernet, udp


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Memory is freed by reference counts alone, as it is for hours in a capture node."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> Counter[type]:
    return Counter(type(each) for each in gc.get_objects() if type(each) in (FlowState, Half, Table))


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize(
    "frames",
    [
        [frame for number in range(50) for frame in session(number, 40000 + number)],
        [at(number, udp(A, B, 1000 + number, 53)) for number in range(50)],
        [at(number, vxlan(ethernet(FORTH), number)) for number in range(50)],
    ],
    ids=["closed", "silent or too many", "each in a network of its own"],
)
def test_a_flow_that_has_ended_is_not_held(tmp_path, frames):
    before = held()
    settings = CaptureSettings(max_flows=10, idle_timeout=15)
    flows = flows_of(tmp_path / "in.pcap", frames, settings).flows
    assert len({flow.flow_id for flow in flows}) == 50
    assert held() == before


def test_no_more_first_fragments_are_remembered_than_flows(tmp_path):
    """The rest of an old datagram is a flow of its own then, since the others may be anybody's invention."""

    def fragment(identity: int, *, later: bool) -> bytes:
        frame = bytearray(udp(A, B, 1000, 2000, bytes(24)))
        frame[18:22] = identity.to_bytes(2, "big") + (b"\x00\x02" if later else b"\x20\x00")
        return bytes(frame)

    frames = [Frame(START + number, fragment(number, later=False)) for number in range(100)]
    frames += [Frame(START + SECOND, fragment(number, later=True)) for number in (99, 0)]
    flows = flows_of(tmp_path / "in.pcap", frames, CaptureSettings(max_flows=10)).flows
    assert sorted(flow.total_packets for flow in flows) == [1, 101]
