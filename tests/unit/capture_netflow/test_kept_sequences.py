"""How far exporters had come is kept over restarts: what nobody has published by then is missing."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.exports.sequences import KeptSequences
from capture.netflow.sequence import Sequence
from capture.settings import FlowExportSettings
from capture.sflow.intake import SflowIntake
from capture.source import Sink, observe_live
from tests.unit.capture_netflow.made import (
    EXPORTER,
    FLOW_FIELDS,
    NOW,
    Taken,
    a_set,
    flow,
    intake,
    ipfix,
    record_5,
    template,
    version_5,
    version_9,
)

POINT = "netflow:udp://127.0.0.1:2055"
SETTINGS = FlowExportSettings()


class Slow(Taken):
    """A sink that has what it was given when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.safe = -1

    def send_all(self) -> int:
        self.asked += 1
        return self.asked

    def is_safe(self, number: int) -> bool:
        return number <= self.safe


def kept(folder: Path, sink: Sink, most: int = 1000) -> KeptSequences:
    return KeptSequences(str(folder), POINT, sink, most)


def of_9(sequence: int, source: int = 1) -> bytes:
    sets = a_set(0, template(256, FLOW_FIELDS)), a_set(256, flow() + flow())
    return version_9(*sets, sequence=sequence, source=source)


def of_5(sequence: int) -> bytes:
    return version_5(record_5(), record_5(), sequence=sequence)


def of_10(sequence: int) -> bytes:
    return ipfix(a_set(2, template(256, FLOW_FIELDS)), a_set(256, flow() + flow()), sequence=sequence)


def run(folder: Path, *datagrams: bytes, exporter: str = EXPORTER, most: int = 1000) -> Taken:
    """A run that takes these and ends in good order."""
    sink = Taken()
    taking = intake(sink, reached=kept(folder, sink, most))
    taking.take([(datagram, exporter, NOW) for datagram in datagrams])
    taking.finish()
    return sink


@pytest.mark.parametrize(
    ("make", "units", "missing"), [(of_9, 1, 7), (of_5, 2, 7), (of_10, 2, 7)], ids=["v9", "v5", "ipfix"]
)
def test_what_came_between_two_runs_is_missing(tmp_path, make, units, missing):
    first = run(tmp_path, make(100))
    assert not first.counts["missing"]
    second = run(tmp_path, make(100 + units + missing), make(100 + 2 * units + missing))
    assert second.counts["missing"] == missing
    assert second.counts["sequence.gap"] == 1
    sums = {name: amount for sample in second.samples for name, amount in sample.meters.items()}
    assert sums["missing"] == missing
    # Nothing was missed since.
    assert not run(tmp_path, make(100 + 3 * units + missing)).counts["missing"]


def test_sflow(tmp_path):
    def taken(sequence: int) -> Taken:
        sink = Taken()
        observation = observe_live("node", "sflow:udp://127.0.0.1:6343", NOW)
        taking = SflowIntake(observation, SETTINGS, sink, NOW, kept(tmp_path, sink))
        head = struct.pack(">II4sIIII", 5, 1, bytes((192, 0, 2, 9)), 0, sequence, 1000, 0)
        taking.take([(head, "198.51.100.99", NOW)])
        taking.finish()
        return sink

    assert not taken(5).counts["missing"]
    assert taken(10).counts["missing"] == 4


def test_an_exporter_that_began_anew_meanwhile_has_lost_nothing(tmp_path):
    run(tmp_path, of_9(5_000_000))
    again = run(tmp_path, of_9(0))
    assert (again.counts["missing"], again.counts["sequence.restart"]) == (0, 1)


def test_more_than_can_be_believed_is_a_new_beginning(tmp_path):
    run(tmp_path, of_9(0))
    again = run(tmp_path, of_9(1 << 21))
    assert (again.counts["missing"], again.counts["sequence.restart"]) == (0, 1)


def test_only_what_is_published_is_kept(tmp_path):
    """A run that is killed leaves what Kafka had; the rest is missing for the next one."""
    sink = Slow()
    killed = intake(sink, reached=kept(tmp_path, sink))
    killed.take([(of_9(1), EXPORTER, NOW)])
    killed.keep()
    assert not list(tmp_path.glob("*.sequences"))
    sink.safe = 1
    killed.take([(of_9(2), EXPORTER, NOW), (of_9(3), EXPORTER, NOW)])
    killed.keep()
    killed.take([(of_9(4), EXPORTER, NOW)])
    killed.keep()
    # It was killed here: one datagram was published, four were sent, and two more since.
    assert run(tmp_path, of_9(7)).counts["missing"] == 5


def test_the_last_numbers_of_a_run_wait_for_kafka(tmp_path, monkeypatch):
    monkeypatch.setattr("capture.exports.sequences._WAIT", 0.0)

    class Soon(Slow):
        def is_safe(self, number: int) -> bool:
            self.safe += 1
            return super().is_safe(number - 2)

    sink = Soon()
    taking = intake(sink, reached=kept(tmp_path, sink))
    taking.take([(of_9(1), EXPORTER, NOW)])
    taking.finish()
    assert not run(tmp_path, of_9(2)).counts["missing"]


def test_numbers_of_each_domain_are_its_own(tmp_path):
    run(tmp_path, of_9(10), of_9(20, source=2), of_5(30), of_10(40))
    again = run(tmp_path, of_9(11), of_9(23, source=2), of_5(32), of_10(42))
    assert again.counts["missing"] == 2
    assert not run(tmp_path, of_9(99), exporter="192.0.2.99").counts["missing"]


def test_processes_that_share_an_address_know_of_each_other(tmp_path):
    sinks = [Taken(), Taken()]
    first, second = (intake(sink, reached=kept(tmp_path, sink)) for sink in sinks)
    for sequence in (1, 2):
        first.take([(of_9(sequence), "192.0.2.1", NOW)])
        second.take([(of_9(sequence + 50), "192.0.2.2", NOW)])
        first.keep()
        second.keep()
    first.finish()
    # The kernel gives the exporter of the one that is gone to the other.
    second.take([(of_9(6), "192.0.2.1", NOW)])
    assert sinks[1].counts["missing"] == 3
    second.finish()
    again = run(tmp_path, of_9(7), exporter="192.0.2.1")
    assert not again.counts["missing"]
    assert run(tmp_path, of_9(54), exporter="192.0.2.2").counts["missing"] == 1


def test_no_more_exporters_are_kept_than_there_may_be(tmp_path):
    for number in range(5):
        run(tmp_path, of_9(1), exporter=f"192.0.2.{number}", most=3)
    (file,) = tmp_path.glob("*.sequences")
    assert file.read_text().count("192.0.2.") == 3
    assert run(tmp_path, of_9(4), exporter="192.0.2.4", most=3).counts["missing"] == 2


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"expected":{"9 192.0.2.1 1":-5}}', b'{"expected":[1]}'])
def test_a_file_that_is_damaged_is_as_good_as_none(tmp_path, caplog, content):
    run(tmp_path, of_9(1))
    (file,) = tmp_path.glob("*.sequences")
    file.write_bytes(content)
    assert not run(tmp_path, of_9(9)).counts["missing"]
    assert "is not counted" in caplog.text
    assert run(tmp_path, of_9(12)).counts["missing"] == 2


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    sink = Taken()
    taking = intake(sink, reached=kept(tmp_path / "file", sink))
    for sequence in range(4):
        taking.take([(of_9(sequence), EXPORTER, NOW)])
        taking.keep()
    assert caplog.text.count("cannot keep") == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, (1 << 32) - 1), st.lists(st.integers(0, 1000), max_size=20))
def test_what_is_missing_is_what_was_sent_and_did_not_come(first, gaps):
    follower, number, missing = Sequence(first), first, 0
    for gap in gaps:
        number = (number + gap) % (1 << 32)
        missing += follower.follow(number, 1).missing
        # A restart in between changes nothing.
        follower = Sequence(follower.expected)
        number = (number + 1) % (1 << 32)
    assert missing == sum(gaps)
