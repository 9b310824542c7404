"""Live capture: the clock closes windows, losses are counted, and the kernel's packets all arrive."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager

import pytest

from capture.nfstream_engine.source import NfstreamSource
from capture.packets.live import CLOCK, LiveCapture
from capture.settings import CaptureSettings
from capture.source import observe_live
from tests.unit.capture.privileges import CAP_NET_RAW, unprivileged
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.wire import ETHERNET, udp
from topics.errors import TaplineError
from topics.records import Metric

SECOND = 1_000_000
START = 1_700_000_040 * SECOND
WINDOW = START // SECOND


def may_capture() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except PermissionError:
        return False
    return True


allowed = pytest.mark.skipif(not may_capture(), reason="capturing needs root or cap_net_raw")


class Interface:
    """Stands for a live capture: packets and clock readings by the second, and losses to tell."""

    def __init__(self, events, losses=()):
        self._events = events
        self._losses = list(losses)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def packets(self):
        for seconds, data in self._events:
            link = ETHERNET if data else CLOCK
            yield START + int(seconds * SECOND), len(data), link, data, 0, len(data)

    def dropped(self):
        return self._losses.pop(0) if self._losses else 0

    def losses(self):
        return 0


def run(interface):
    sink = KeepingSink()
    source = NfstreamSource(observe_live("node", "eth0", START), "eth0", CaptureSettings())
    source._open = lambda: interface
    source.run(sink)
    return sink


PACKET = udp("192.0.2.1", "192.0.2.2", 1, 2)
TICK = b""


def test_the_clock_closes_windows_when_no_packet_does():
    sink = run(Interface([(1, PACKET), (30, TICK), (61, TICK), (121, TICK), (190, TICK)]))
    assert [(flow.record, flow.end_reason) for flow in sink.flows] == [("update", ""), ("final", "idle")]
    assert sink.windows() == [WINDOW, WINDOW + 120]
    assert sink.advanced == [WINDOW, WINDOW + 60, WINDOW + 120]
    assert sink.counts["packets"] == 1


def test_a_packet_that_the_clock_has_overtaken_counts_now():
    sink = run(Interface([(1, TICK), (61, TICK), (59, PACKET)]))
    (flow,) = sink.flows
    assert flow.start == START + 61 * SECOND
    assert sink.windows() == [WINDOW + 60]


def test_losses_are_counted_in_their_window_and_silence_is_told():
    sink = run(Interface([(1, PACKET), (61, TICK), (121, TICK), (122, TICK)], losses=[7, 0, 5]))
    samples = [put for put in sink.put_all if isinstance(put.record, Metric)]
    assert [(put.window, put.record.meters["packets"], put.record.meters["dropped"]) for put in samples] == [
        (WINDOW, 1, 7),
        (WINDOW + 60, 0, 0),
        (WINDOW + 120, 0, 5),
    ]
    assert sink.counts["dropped.kernel"] == 12


@contextmanager
def loopback(**settings):
    """A capture of what is sent to a socket of our own, and a function that sends."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        address = receiver.getsockname()
        deadline = time.monotonic() + 20
        chosen = CaptureSettings(filter=f"udp and dst port {address[1]}", **settings)
        with LiveCapture("lo", chosen, lambda: time.monotonic() > deadline) as live:
            yield live, lambda: sender.sendto(b"x" * 200, address)


@allowed
def test_every_packet_sent_is_seen_once():
    with loopback() as (live, send):
        for _ in range(500):
            send()
        before = time.time_ns() // 1000
        packets, clocks = [], []
        for packet in live.packets():
            (clocks if packet[2] == CLOCK else packets).append(packet)
            if len(packets) >= 500 and clocks:
                break
        assert len(packets) == 500
        assert {length for _, length, *_ in packets} == {14 + 20 + 8 + 200}
        assert all(before - 20 * SECOND < packet[0] < before + 20 * SECOND for packet in packets)
        assert clocks[0][0] < time.time_ns() // 1000
        assert live.dropped() == 0
        assert live.losses() == 0


@allowed
def test_only_the_beginning_of_a_packet_may_be_kept():
    with loopback(snaplen=60) as (live, send):
        send()
        _, length, _, buffer, start, end = next(packet for packet in live.packets() if packet[2] != CLOCK)
        assert (length, end - start, len(buffer)) == (242, 60, 60)


@allowed
def test_waiting_for_packets_can_be_stopped():
    with LiveCapture("lo", CaptureSettings(filter="udp port 1"), lambda: True) as live:
        assert list(live.packets()) == []


@allowed
def test_a_filter_that_makes_no_sense_is_refused():
    with (
        pytest.raises(TaplineError, match="the filter 'udp prot 53' is not BPF syntax"),
        LiveCapture("lo", CaptureSettings(filter="udp prot 53"), lambda: True),
    ):
        pass


def test_capturing_without_permission_is_refused():
    with (
        unprivileged(),
        pytest.raises(
            TaplineError, match="no permission to capture on lo: run as root, or with the capability CAP_NET_RAW"
        ),
        LiveCapture("lo", CaptureSettings(), lambda: True),
    ):
        pass


@allowed
@pytest.mark.skipif(os.geteuid() != 0, reason="giving up all rights but one needs root")
def test_one_capability_is_enough_to_capture():
    with unprivileged(CAP_NET_RAW), loopback() as (live, send):
        assert os.geteuid() != 0
        send()
        _, length, *_ = next(packet for packet in live.packets() if packet[2] != CLOCK)
        assert length == 242


def test_an_interface_that_is_not_there_is_refused():
    with (
        pytest.raises(TaplineError, match=r"interface nowhere9 does not exist: choose .*lo"),
        LiveCapture("nowhere9", CaptureSettings(), lambda: True),
    ):
        pass
