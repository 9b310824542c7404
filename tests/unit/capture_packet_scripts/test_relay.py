"""Tsharks take turns, and each packet is shown once: by the one that is in charge of it, in order."""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.packet_scripts.program import Dissector, needed_tshark
from capture.packet_scripts.relay import Relay
from capture.tshark.program import Program
from tests.unit.capture.wire import ACK, PSH, Frame, pcap, pcapng, tcp
from tests.unit.capture_packet_scripts.made import START, datagrams, needs_tshark
from topics.errors import TaplineError


@contextmanager
def piped(data: bytes):
    """The reading end of a pipe through which this comes."""
    reading, writing = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as output:
            output.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield reading
    finally:
        os.close(reading)
        thread.join()


class Counting:
    """Stands for a tshark: prints the number of each packet it was fed; what it was fed is kept in ``fed``."""

    def __init__(self, made: list[Counting], _display_filter: str) -> None:
        made.append(self)
        self.waiting = bytearray()
        self.fed = bytearray()
        self._printed = 0
        self._output, self._input = os.pipe()
        self._closed = False
        os.set_blocking(self._output, False)
        self.packet_bytes = 16 + 4

    @property
    def wants(self):
        return None

    @property
    def gives(self):
        return None if self._closed else self._output

    def feed(self, data: bytes) -> None:
        self.fed += data
        for number in range(self._printed + 1, (len(self.fed) - 24) // self.packet_bytes + 1):
            os.write(self._input, b'{"frame_frame_number":"%d"}\n' % number)
            self._printed = number

    def end(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    def read(self) -> list[bytes]:
        chunk = os.read(self._output, 1 << 16)
        if not chunk:
            self.stop()
        return chunk.split(b"\n")[:-1]

    def stop(self) -> None:
        self.end()
        if not self._closed:
            os.close(self._output)
            self._closed = True


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.integers(0, 400), st.integers(2, 90))
def test_every_packet_is_shown_once_and_in_order(count: int, every: int) -> None:
    stream = pcap([Frame(START + number, b"four") for number in range(count)])
    made: list[Counting] = []
    counted: Counter[str] = Counter()
    with piped(stream) as reading:
        relay = Relay(reading, ["frame"], partial(Counting, made), every, counting(counted))
        try:
            numbers = [printed.number for some in relay.lines() for printed in some]
        finally:
            relay.stop()
    assert numbers == list(range(1, count + 1))
    assert relay.fed == count
    assert counted["tshark_changes"] == max(0, (count - 1) // every)
    # No tshark sees more than its turn and what it was fed before it.
    most = every + max(1, every // 20)
    assert all((len(each.fed) - 24) // each.packet_bytes <= most for each in made)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.integers(1, 400), st.integers(2, 90), st.lists(st.integers(1, 400), max_size=4))
def test_other_filters_take_over_at_a_packet(count: int, every: int, changes: list[int]) -> None:
    """Whenever they are changed, also while tsharks are, each packet is shown once by those that are in charge."""
    stream = pcap([Frame(START + number, b"four") for number in range(count)])
    made: list[Counting] = []
    counted: Counter[str] = Counter()
    left = sorted(changes)
    found: list[tuple[str, int]] = []
    with piped(stream) as reading:
        relay = Relay(reading, ["filter 0"], partial(Counting, made), every, counting(counted))
        try:
            for some in relay.lines():
                found += [(printed.display_filter, printed.number) for printed in some]
                while left and relay.fed >= left[0]:
                    relay.show([f"filter {left.pop(0)}"])
        finally:
            relay.stop()
    assert [number for _, number in found] == list(range(1, count + 1))
    assert relay.fed == count


def test_filters_that_are_more_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture.packet_scripts.relay._CHUNK", 24 + 20 * 10)
    stream = pcap([Frame(START + number, b"four") for number in range(40)])
    made: list[Counting] = []
    shown: Counter[str] = Counter()
    with piped(stream) as reading:
        relay = Relay(reading, ["one"], partial(Counting, made), 1000, counting(Counter()))
        try:
            for some in relay.lines():
                shown.update(printed.display_filter for printed in some)
                if relay.fed == 10:
                    relay.show(["one", "two"])
                elif relay.fed > 20:
                    relay.show([])
        finally:
            relay.stop()
    assert relay.fed == 40
    assert 10 < shown["one"] < 40
    assert 0 < shown["two"] < 40


@needs_tshark
@pytest.mark.parametrize("form", [pcap, pcapng])
def test_tsharks_are_changed_without_a_gap(form) -> None:
    program = needed_tshark()
    counted: Counter[str] = Counter()
    with piped(form(datagrams(220))) as reading:
        relay = Relay(reading, ["frame", 'data.data contains "5"'], partial(Dissector, program), 100, counting(counted))
        try:
            printed = [each for some in relay.lines() for each in some]
        finally:
            relay.stop()
    assert counted["tshark_changes"] == 2
    shown = [each.number for each in printed if each.display_filter == "frame"]
    assert shown == list(range(1, 221))
    some = [each.number for each in printed if each.display_filter != "frame"]
    assert some == [number for number in range(1, 221) if "5" in str(number)]


@needs_tshark
def test_what_a_packet_continues_is_known_after_a_change() -> None:
    # The request begins in packet 99, the last but one before the change, and ends in packet 101, after it.
    sent = b"GET /long HTTP/1.1\r\nHost: example.com\r\n\r\n"
    frames = datagrams(200)

    def segment(begin: int, end: int) -> bytes:
        packet = bytearray(tcp("192.0.2.1", "192.0.2.2", 40_000, 80, PSH | ACK, sent[begin:end]))
        packet[38:42] = (1000 + begin).to_bytes(4, "big")
        return bytes(packet)

    frames[98] = Frame(frames[98].time, segment(0, 20))
    frames[100] = Frame(frames[100].time, segment(20, len(sent)))
    counted: Counter[str] = Counter()
    with piped(pcap(frames)) as reading:
        relay = Relay(
            reading, ['http.request.uri == "/long"'], partial(Dissector, needed_tshark()), 100, counting(counted)
        )
        try:
            numbers = [printed.number for some in relay.lines() for printed in some]
        finally:
            relay.stop()
    assert counted["tshark_changes"] == 1
    assert numbers == [101]


@needs_tshark
def test_after_a_tshark_that_ends_by_itself_another_goes_on() -> None:
    program = needed_tshark()
    made: list[Dissector] = []
    counted: Counter[str] = Counter()

    def start(display_filter: str) -> Dissector:
        made.append(Dissector(program, display_filter))
        return made[-1]

    stream = pcap(datagrams(60))
    size = (len(stream) - 24) // 60
    reading, writing = os.pipe()
    os.write(writing, stream[: 24 + 9 * size])
    relay = Relay(reading, ["frame"], start, 100, counting(counted))
    shown: list[int] = []
    try:
        for some in relay.lines():
            shown += [each.number for each in some]
            if len(shown) == 9 and len(made) == 1:
                made[0]._process.kill()
            if len(made) == 2 and writing >= 0:
                os.write(writing, stream[24 + 9 * size :])
                os.close(writing)
                writing = -1
    finally:
        relay.stop()
        os.close(reading)
    assert shown == list(range(1, 61))
    assert counted == {"tshark_crashes": 1, "unshown": 0}


def test_what_was_not_shown_by_one_that_ended_is_counted_and_nothing_is_tried_for_ever() -> None:
    counted: Counter[str] = Counter()
    broken = Program("/bin/false", "4.0", lua=False)
    reading, writing = os.pipe()
    os.write(writing, pcap(datagrams(60)))
    relay = Relay(reading, ["frame"], partial(Dissector, broken), 100, counting(counted))
    try:
        with pytest.raises(TaplineError, match="a tshark of the packet scripts has ended: exit code 1"):
            list(relay.lines())
    finally:
        relay.stop()
        os.close(writing)
        os.close(reading)
    assert counted == {"tshark_crashes": 5, "unshown": 60}


def counting(counted: Counter[str]):
    def count(counter: str, amount: int) -> None:
        counted[counter] += amount

    return count
