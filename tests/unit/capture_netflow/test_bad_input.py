"""Datagrams that lie: each is counted, nothing is raised, and what was right before them is used."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fuzz_netflow import mutated
from capture.netflow import intake as intake_module
from tests.unit.capture_netflow.made import (
    EXPORTER,
    FLOW_FIELDS,
    FLOWS_OF_9,
    NOW,
    Taken,
    a_set,
    flow,
    intake,
    ipfix,
    options_9,
    record_5,
    take,
    template,
    version_5,
    version_9,
)
from topics.codec import decode, encode

VARIABLE = [(8, 4), (12, 4), (96, 0xFFFF), (1, 4)]


@pytest.mark.parametrize(
    ("reason", "datagram"),
    [
        ("version", b""),
        ("version", b"\0"),
        ("version", struct.pack(">H", 7) + bytes(100)),
        ("length", b"\0\5"),
        ("length", b"\0\x09" + bytes(10)),
        ("length", version_5(record_5(), count=2)),
        ("length", version_5(record_5(), count=65_535)),
        ("length", struct.pack(">HHIII", 10, 15, 0, 0, 0)),
        ("length", struct.pack(">HHIII", 10, 17, 0, 0, 0)),
        ("set-length", version_9(struct.pack(">HH", 256, 3))),
        ("set-length", version_9(struct.pack(">HH", 256, 5))),
        ("set-length", version_9(struct.pack(">HHI", 256, 0, 1))),
    ],
)
def test_lengths_that_lie(reason, datagram):
    sink = take(datagram, FLOWS_OF_9)
    assert sink.family("rejected.") == {reason: 1}
    assert len(sink.flows) == 1
    assert sink.counts["packets"] == 2


def test_a_datagram_that_breaks_off_has_come():
    broken = version_9(struct.pack(">HH", 256, 3), sequence=2)
    sink = take(version_9(sequence=1), broken, version_9(sequence=3))
    assert not sink.family("sequence.")


def test_many_small_records_are_not_decoded_at_once(monkeypatch):
    monkeypatch.setattr(intake_module, "_TOGETHER", 100)
    smallest = [(8, 4), (12, 4), (4, 1), (2, 1)]
    sink = Taken()
    taking = intake(sink)
    made: list[int] = []
    make = taking._flows.make
    monkeypatch.setattr(
        taking._flows, "make", lambda *each: made.append(sum(part.records for part in each[2])) or make(*each)
    )
    datagram = version_9(a_set(0, template(256, smallest)), a_set(256, (flow()[:8] + b"\x11\1") * 60))
    taking.take([(datagram, EXPORTER, NOW)] * 10)
    assert made == [120] * 5
    assert len(sink.flows) == 600


def test_a_length_inside_a_record_that_lies():
    records = flow()[:8] + b"\3dns" + bytes(4) + flow()[:8] + b"\xff\xff\xff" + bytes(9)
    sink = take(ipfix(a_set(2, template(256, VARIABLE)), a_set(256, records)))
    assert [each.application for each in sink.flows] == ["DNS"]
    assert sink.family("rejected.") == {"record-length": 1}


def test_what_is_left_of_a_set_is_padding():
    sink = take(version_9(a_set(0, template(256, FLOW_FIELDS)), a_set(256, flow() + bytes(7))))
    assert len(sink.flows) == 1
    assert not sink.family("rejected.")


def test_dead_letters_are_bounded():
    sink = take(*[b"\0\7"] * 500)
    assert sink.counts["rejected.version"] == 500
    assert len(sink.letters) == 60
    assert sink.counts["unpublished"] == 440


def test_a_rate_that_cannot_be():
    options = options_9(300, [(1, 4)], [(34, 4)]) + a_set(300, struct.pack(">II", 0, 0xFFFFFFFF))
    sink = take(version_9(options, a_set(0, template(256, FLOW_FIELDS)), a_set(256, flow())))
    assert [each.sampling_rate for each in sink.flows] == [1]
    assert sink.counts["options.unused"] == 1


REAL = [
    FLOWS_OF_9,
    version_9(a_set(256, flow() * 20), sequence=1),
    version_9(options_9(300, [(1, 4)], [(48, 1), (50, 4)]), a_set(300, struct.pack(">IBI", 0, 1, 10))),
    ipfix(a_set(2, template(256, VARIABLE)), a_set(256, (flow()[:8] + b"\3dns" + bytes(4)) * 9)),
    ipfix(a_set(2, template(257, [*FLOW_FIELDS, (152, 8), (153, 8)])), a_set(257, (flow() + bytes(16)) * 5)),
    version_5(*[record_5()] * 5),
]


def taken_alone(*datagrams: bytes) -> Taken:
    """What becomes of any bytes; all that was made can be published, and all that came was counted."""
    sink = Taken()
    taking = intake(sink)
    taking.take([(datagram, EXPORTER, NOW) for datagram in datagrams])
    taking.finish()
    assert sink.counts["packets"] == len(datagrams)
    assert sink.counts["bytes"] == sum(map(len, datagrams))
    for topic, _, record, window in sink.put_all:
        assert decode(topic.record, encode([record])) == [record]
        assert window <= NOW // 1_000_000
    for each in sink.flows:
        assert 0 <= each.start <= each.end
        assert each.total_source_bytes < 1 << 62
    assert len(sink.flows) == sink.counts["flows"]
    return sink


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(st.lists(st.binary(max_size=300), max_size=4), st.sampled_from([b"", b"\0\5", b"\0\x09", b"\0\x0a"]))
def test_any_bytes(datagrams, version):
    taken_alone(*[version + datagram for datagram in datagrams])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(
    fields=st.lists(
        st.tuples(st.integers(1, 400), st.one_of(st.integers(0, 20), st.just(0xFFFF))), min_size=1, max_size=40
    ),
    content=st.binary(max_size=600),
)
def test_any_template_over_any_records(fields, content):
    fields = [(8, 4), (12, 4), (1, 4), *fields]
    taken_alone(ipfix(a_set(2, template(256, fields)), a_set(256, content)))
    taken_alone(version_9(a_set(0, template(256, [each for each in fields if each[1] < 0xFFFF])), a_set(256, content)))


def test_mutated_datagrams():
    source = random.Random(1)
    for _ in range(2000):
        taken_alone(*(mutated(source, REAL) for _ in range(3)))
