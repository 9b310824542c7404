"""Packets that tell themselves apart, and scripts that keep what they are shown."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import pytest

from tests.unit.capture.wire import Frame, udp

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (apt install tshark)")

START = 1_700_000_040_000_000


def datagrams(count: int, port: int = 9999) -> list[Frame]:
    """So many datagrams, a millisecond apart; each carries its number, counted from 1."""
    return [
        Frame(START + number * 1000, udp("192.0.2.1", "192.0.2.2", 40_000, port, b"number %d" % number))
        for number in range(1, count + 1)
    ]


class Emission:
    def __init__(self, topic, key, record, window):
        self.topic = topic
        self.key = key
        self.record = record
        self.window = window


class KeepingScripts:
    """Packet scripts that keep the packets they are shown, as (filter, packet)."""

    def __init__(self, *display_filters: str) -> None:
        self.display_filters: Sequence[str] = display_filters
        self.window = -1
        self.seen: list[tuple[str, object]] = []
        self.called: list[str] = []

    def start(self):
        self.called.append("start")

    def show(self, packets):
        for each in packets:
            self.window = max(self.window, each.time // 60_000_000 * 60)
            self.seen.append((each.display_filter, each.packet))
        return []

    def reach(self, time):
        self.window = max(self.window, time // 60_000_000 * 60)
        return []

    def finish(self):
        self.called.append("finish")
        return []

    def stop(self):
        self.called.append("stop")

    def take_counts(self):
        return {}

    def numbers(self, display_filter: str) -> list[int]:
        """The numbers of the packets of a filter, in the order in which they were shown."""
        return [packet.number for each, packet in self.seen if each == display_filter]
