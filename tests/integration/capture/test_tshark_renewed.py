"""A tshark that holds too much is followed by another: each frame is told of once."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from capture.settings import CaptureSettings
from capture.source import observe_live
from capture.tshark import TsharkSource, renewing
from tests.integration.capture.test_live_engines import HERE, SECONDS, THERE, needs_tshark
from tests.namespaces import cable, captures, needs_networks, own_network, sending
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.wire import udp
from tests.unit.capture_tshark.conversations import dns_query
from tests.waiting import wait_for
from topics.records import Resource


@needs_networks
@needs_tshark
def test_each_frame_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing, "MOST", 0)
    monkeypatch.setattr(renewing, "_YOUNGEST", 0.0)
    monkeypatch.setattr(renewing, "_LOOKED_EVERY", 0.1)
    sink, sent = KeepingSink(), 0
    source = TsharkSource(observe_live("node", HERE, 1), HERE, CaptureSettings())
    with own_network():
        cable(HERE, THERE)
        thread = threading.Thread(target=source.run, args=(sink,))
        thread.start()
        try:
            wait_for(captures, "the interface is captured", seconds=SECONDS)
            with sending(THERE) as sender:
                deadline = time.monotonic() + SECONDS
                while sink.counts["renewals"] < 3 and time.monotonic() < deadline:
                    query = dns_query(f"{sent}.example", sent % 65_536)
                    sender.send(udp("192.0.2.1", "192.0.2.53", 1024 + sent % 60_000, 53, payload=query))
                    sent += 1
                    time.sleep(0.0005)
            monkeypatch.setattr(renewing, "MOST", 1 << 60)
            wait_for(lambda: len(names(sink)) >= sent, f"{sent} queries", seconds=SECONDS, every=0.1)
        finally:
            source.stop()
            thread.join()
    assert sink.counts["renewals"] >= 3
    assert sink.counts["missed.kernel"] == 0
    assert Counter(names(sink)) == Counter(f"{number}.example" for number in range(sent))
    assert len({put.record.id for put in sink.put_all}) == len(sink.put_all)


def names(sink: KeepingSink) -> list[str]:
    return [put.record.uri for put in list(sink.put_all) if isinstance(put.record, Resource)]
