"""Live capture that lasts: an interface that goes away and comes back."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from capture import metrics
from capture.nfstream_engine.source import NfstreamSource
from capture.packets.interfaces import is_up
from capture.packets.live import CLOCK, LiveCapture
from capture.settings import CaptureSettings
from capture.source import observe_live
from tests.namespaces import cable, ip, needs_networks, own_network, sending
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.wire import udp
from tests.waiting import wait_for

pytestmark = needs_networks


@pytest.fixture
def network():
    with own_network():
        yield


@contextmanager
def capturing(sink, interface="here"):
    """A source that reads this interface in a thread, and is stopped and waited for at the end."""
    source = NfstreamSource(observe_live("node", interface, 1), interface, CaptureSettings(depth="light", filter="udp"))
    thread = threading.Thread(target=source.run, args=(sink,))
    metrics.INTERFACE_UP.labels(interface).set(0)
    thread.start()
    try:
        wait_for(lambda: shown() == 1, "the capture to begin")
        yield thread
    finally:
        source.stop()
        thread.join()


def send(count, port):
    with sending("there") as sender:
        for _ in range(count):
            sender.send(udp("192.0.2.1", "192.0.2.2", port, 2000, b"x" * 100))


def received(interface):
    """How many packets an interface of this network has received, as the kernel counts."""
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    return next(int(line.split()[2]) for line in lines if line.split()[0] == f"{interface}:")


def shown():
    return metrics.INTERFACE_UP.labels("here")._value.get()


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "capture.packets.interfaces"]


def test_an_interface_that_is_removed_is_captured_again_when_it_is_back(network, caplog):
    caplog.set_level(logging.INFO)
    sink = KeepingSink()
    cable("here", "there")
    with capturing(sink) as thread:
        send(25, 1000)
        ip("link", "del", "here")
        wait_for(lambda: shown() == 0, "the interface to be away")
        cable("here", "there")
        wait_for(lambda: shown() == 1, "the interface to be back")
        send(17, 1001)
        send(5, 1000)
        assert thread.is_alive()

    assert {flow.source_port: flow.total_packets for flow in sink.flows if flow.record == "final"} == {
        1000: 30,
        1001: 17,
    }
    assert sink.counts["packets"] == 47
    assert sink.counts["dropped.kernel"] == 0
    assert sink.counts["interface_losses"] == 1
    assert told(caplog) == [
        "interface here is gone: it is captured again when it is back",
        "interface here is back: it is captured again",
    ]


def test_an_interface_that_is_down_is_told_of_once_and_captured_when_it_is_up(network, caplog):
    caplog.set_level(logging.INFO)
    sink = KeepingSink()
    cable("here", "there")
    with capturing(sink):
        send(3, 1000)
        ip("link", "set", "here", "down")
        wait_for(lambda: shown() == 0, "the interface to be away")
        assert not is_up("here")
        ip("link", "set", "here", "up")
        wait_for(lambda: shown() == 1, "the interface to be back")
        send(4, 1000)

    assert sink.counts["packets"] == 7
    assert [text.split(":")[0] for text in told(caplog)] == ["interface here is down", "interface here is back"]


def test_windows_close_by_the_clock_while_an_interface_is_away(network, monkeypatch):
    sink = KeepingSink()
    cable("here", "there")
    with capturing(sink):
        send(2, 1000)
        ip("link", "del", "here")
        wait_for(lambda: shown() == 0, "the interface to be away")
        now = time.time_ns
        monkeypatch.setattr("capture.packets.live.time.time_ns", lambda: now() + 200 * 1_000_000_000)
        wait_for(lambda: len(sink.advanced) >= 3, "the windows to close")
        (flow,) = [flow for flow in sink.flows if flow.record == "final"]
        assert (flow.total_packets, flow.end_reason) == (2, "idle")


def test_what_comes_too_fast_is_counted_as_dropped(network, monkeypatch):
    monkeypatch.setattr("capture.packets.live._BUFFER", 1 << 20)
    cable("here", "there")
    stopped = []
    with LiveCapture("here", CaptureSettings(filter="udp"), lambda: bool(stopped)) as live:
        send(20_000, 1000)
        packets = live.packets()
        read = [next(packets)]
        stopped.append(True)
        read += packets
        captured, dropped = sum(link != CLOCK for _, _, link, *_ in read), live.dropped()
    assert captured > 0
    assert dropped > 0
    assert captured + dropped == received("here")


def test_stopping_does_not_wait_for_an_interface_that_is_away(network):
    sink = KeepingSink()
    cable("here", "there")
    with capturing(sink) as thread:
        send(2, 1000)
        ip("link", "del", "here")
        wait_for(lambda: shown() == 0, "the interface to be away")
    assert not thread.is_alive()
    assert sink.counts["packets"] == 2
