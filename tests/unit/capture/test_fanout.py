"""An interface that several captures share: every packet comes to one of them, and a flow's packets to the same one."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import ExitStack, contextmanager

import pytest

from capture.nfstream_engine.source import NfstreamSource
from capture.packets.fanout import Fanout, new_group
from capture.packets.live import LiveCapture
from capture.settings import CaptureSettings
from capture.source import observe_live
from tests.namespaces import cable, needs_networks, own_network, sending
from tests.unit.capture.privileges import unprivileged
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.wire import ethernet, ipv4, tcp, udp, udp_header
from tests.waiting import wait_for
from topics.errors import TaplineError

pytestmark = needs_networks

MEMBERS = 3


@pytest.fixture
def network():
    with own_network():
        cable("here", "there")
        yield


@pytest.fixture
def opened(monkeypatch):
    """The captures that have joined their group, as they do."""
    joined = []
    original = LiveCapture._open

    def note(capture):
        original(capture)
        joined.append(capture)

    monkeypatch.setattr(LiveCapture, "_open", note)
    return joined


@contextmanager
def member(number, group, sink):
    source = NfstreamSource(
        observe_live("node", "here", 1, number),
        "here",
        CaptureSettings(filter="ip or ip6"),
        None,
        Fanout(group, number),
    )
    thread = threading.Thread(target=source.run, args=(sink,))
    thread.start()
    try:
        yield
    finally:
        source.stop()
        thread.join()


def shared(opened, frames, group=None):
    """What each member of a group makes of frames that come when all have joined."""
    sinks = [KeepingSink() for _ in range(MEMBERS)]
    group = new_group("here") if group is None else group
    with ExitStack() as running:
        for number, sink in enumerate(sinks, 1):
            running.enter_context(member(number, group, sink))
        wait_for(lambda: len(opened) == MEMBERS, "all members to join")
        with sending("there") as sender:
            for frame in frames:
                sender.send(frame)
    return sinks


def ended(sink):
    """The last record of each flow: there is another where a minute ended in between."""
    return [flow for flow in sink.flows if flow.record == "final"]


def conversations(count):
    """Both directions of as many flows over IPv4 and IPv6, two packets each."""
    frames = []
    for number in range(count):
        four, six = (f"10.1.0.{number + 1}", "10.2.0.2"), (f"fd00::{number + 1:x}", "fd01::2")
        for here, there in (four, six):
            frames += [
                udp(here, there, 20_000 + number, 53, b"x" * 20),
                udp(there, here, 53, 20_000 + number, b"x" * 20),
            ]
            frames += [tcp(here, there, 30_000 + number, 80), tcp(there, here, 80, 30_000 + number)]
    return frames


def test_every_packet_is_counted_once_and_both_directions_of_a_flow_together(network, opened):
    frames = conversations(60)
    sinks = shared(opened, frames)

    assert sum(sink.counts["packets"] + sink.counts["dropped.kernel"] for sink in sinks) == len(frames)
    assert sum(sink.counts["bytes"] for sink in sinks) == sum(len(frame) for frame in frames)
    assert all(sink.counts["packets"] for sink in sinks)
    members = defaultdict(set)
    for number, sink in enumerate(sinks):
        for flow in ended(sink):
            members[flow.community_id].add(number)
            assert flow.total_source_packets == flow.total_destination_packets == 1
    assert len(members) == 4 * 60
    assert {len(numbers) for numbers in members.values()} == {1}


def test_fragments_of_a_datagram_come_to_one_member_and_count_as_they_were_sent(network, opened):
    frames = []
    for number in range(30):
        datagram = udp_header(1000 + number, 2000, bytes(40))
        ends = f"10.1.0.{number + 1}", "10.2.0.2", 17
        frames.append(ethernet(ipv4(*ends, datagram[:24], identity=number + 1, more=True)))
        frames.append(ethernet(ipv4(*ends, datagram[24:], identity=number + 1, offset=24)))
    sinks = shared(opened, frames)

    flows = [flow for sink in sinks for flow in ended(sink)]
    assert sorted(flow.source_port for flow in flows) == [1000 + number for number in range(30)]
    assert {flow.total_packets for flow in flows} == {2}


def test_members_make_themselves_known_as_different_nodes():
    first, second = (observe_live("node", "eth0", 5, number) for number in (1, 2))
    assert first.producer != second.producer
    assert first.identity != second.identity
    assert first.observation_point == second.observation_point == "eth0"


def test_groups_are_numbered_apart(network):
    assert new_group("here") != new_group("here")


def test_what_cannot_be_shared_says_what_to_do(network):
    with pytest.raises(TaplineError, match=r"all interfaces \(any\) cannot be shared: name interfaces"):
        new_group("any")
    with pytest.raises(TaplineError, match="cannot share nowhere between processes"):
        new_group("nowhere")
    with unprivileged(), pytest.raises(TaplineError, match="no permission to capture on here: run as root"):
        new_group("here")


def test_a_group_that_is_another_interfaces_is_refused(network):
    cable("more", "less")
    group = new_group("here")
    with (
        LiveCapture("here", CaptureSettings(), lambda: True, Fanout(group, 1)),
        pytest.raises(TaplineError, match="cannot share the interface with other processes"),
        LiveCapture("more", CaptureSettings(), lambda: True, Fanout(group, 2)),
    ):
        pass
