"""Templates: when they come, change, are taken back, are too many, and outlast a restart."""

from __future__ import annotations

import json
import struct
from base64 import b64encode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.netflow import domains
from capture.netflow.errors import NetflowError
from capture.netflow.store import TemplateStore
from capture.netflow.templates import Template, read_templates
from capture.settings import FlowExportSettings
from tests.unit.capture_netflow.made import (
    EXPORTER,
    FLOW_FIELDS,
    NOW,
    Taken,
    a_set,
    flow,
    intake,
    ipfix,
    options_9,
    take,
    template,
    version_9,
)

TEMPLATE = a_set(0, template(256, FLOW_FIELDS))
DATA = a_set(256, flow())
POINT = "netflow:udp://127.0.0.1:2055"


def test_data_before_their_template_are_held():
    sink = take(version_9(DATA), version_9(a_set(256, flow(octets=7)), sequence=1), version_9(TEMPLATE, sequence=2))
    assert [each.delta_source_bytes for each in sink.flows] == [1500, 7]
    assert [(each.start, each.end) for each in sink.flows] == [(NOW - 5_000_000, NOW - 1_000_000)] * 2
    assert (sink.counts["held"], sink.counts["held.used"]) == (2, 2)
    assert not sink.family("dropped.")


def test_data_whose_template_never_comes_are_counted():
    sink = take(version_9(DATA, a_set(257, b"x" * 40)))
    assert not sink.flows
    assert sink.family("dropped.") == {"no-template": 2}


def test_what_is_held_is_bounded(monkeypatch):
    monkeypatch.setattr(domains, "HELD_BYTES_OF_ONE", 10_000)
    monkeypatch.setattr(domains, "HELD_BYTES", 25_000)
    sink = Taken()
    taking = intake(sink)
    for source in range(5):
        for number in range(100):
            data = a_set(256, flow(octets=number))
            taking.take([(version_9(data, sequence=number, source=source), EXPORTER, NOW)])
    held = list(taking._domains)
    assert sum(domain.held_bytes for domain in held) <= 25_000
    assert all(domain.held_bytes <= 10_000 for domain in held)
    kept = sum(len(domain.held) for domain in held)
    assert sink.counts["dropped.no-template"] == 500 - kept
    # The newest are kept.
    assert held[-1].held[-1][1].startswith(flow(octets=99))
    taking.finish()
    assert sink.counts["dropped.no-template"] == 500


def test_templates_are_those_of_a_domain_and_an_exporter():
    sink = Taken()
    taking = intake(sink)
    taking.take([(version_9(TEMPLATE), "192.0.2.1", NOW)])
    taking.take([(version_9(DATA, source=2), "192.0.2.1", NOW), (version_9(DATA), "192.0.2.2", NOW)])
    assert not sink.flows
    taking.take([(version_9(DATA, sequence=1), "192.0.2.1", NOW)])
    assert len(sink.flows) == 1
    # IPFIX of the same exporter knows nothing of NetFlow v9's.
    taking.take([(ipfix(a_set(256, flow())), "192.0.2.1", NOW)])
    assert len(sink.flows) == 1


def test_a_template_that_changes():
    shorter = a_set(0, template(256, FLOW_FIELDS[:8]))
    record = a_set(256, flow()[:26])
    sink = take(version_9(TEMPLATE, DATA, shorter, record, TEMPLATE, DATA))
    assert [each.delta_source_bytes for each in sink.flows] == [1500] * 3
    assert sorted(each.input_interface for each in sink.flows) == [0, 3, 3]


def test_a_template_that_is_taken_back():
    withdrawal = a_set(2, struct.pack(">HH", 256, 0))
    every = a_set(2, struct.pack(">HH", 2, 0))
    define = a_set(2, template(256, FLOW_FIELDS))
    for taken_back in (withdrawal, every):
        sink = take(ipfix(define, a_set(256, flow())), ipfix(taken_back), ipfix(a_set(256, flow())))
        assert len(sink.flows) == 1
        assert sink.counts["templates.withdrawn"] == 1
        assert sink.family("dropped.") == {"no-template": 1}


def test_too_many_templates_and_exporters(monkeypatch):
    monkeypatch.setattr(domains, "MOST_OF_ONE", 10)
    monkeypatch.setattr(domains, "MOST_TEMPLATES", 25)
    sink = Taken()
    taking = intake(sink, FlowExportSettings(exporters=4))
    for source in range(6):
        for number in range(256, 286):
            taking.take([(version_9(a_set(0, template(number, FLOW_FIELDS)), source=source), EXPORTER, NOW)])
    found = list(taking._domains)
    assert len(found) == 4
    assert sum(len(domain.templates) for domain in found) == taking._domains._templates <= 25
    assert all(len(domain.templates) <= 10 for domain in found)
    assert sink.counts["evicted.exporters"] == 2
    assert sink.counts["evicted.templates"] >= 6 * 20
    # Those of the exporter that sent last still serve.
    taking.take([(version_9(a_set(285, flow()), source=5), EXPORTER, NOW)])
    assert len(sink.flows) == 1


def test_too_many_rates_and_names(monkeypatch):
    monkeypatch.setattr(domains, "MOST_LEARNED_OF_ONE", 30)
    monkeypatch.setattr(domains, "MOST_LEARNED", 70)
    rates = options_9(300, [(2, 4)], [(34, 4)]) + a_set(300, b"".join(struct.pack(">II", n, n + 2) for n in range(20)))
    names = options_9(301, [(1, 4)], [(95, 4), (96, 4)])
    names += a_set(301, b"".join(struct.pack(">II4s", 0, n, b"name") for n in range(20)))
    sink = Taken()
    taking = intake(sink, FlowExportSettings(exporters=3))
    for source in range(3):
        taking.take([(version_9(rates, names, source=source), EXPORTER, NOW)])
    assert [domain.learned for domain in taking._domains] == [30, 30, 10]
    assert sink.counts["unlearned"] == 3 * 40 - 70
    # What an evicted one has told makes room.
    taking.take([(version_9(rates, names, source=9), EXPORTER, NOW)])
    assert [domain.learned for domain in taking._domains] == [30, 10, 30]


@pytest.mark.parametrize(
    ("reason", "options", "content"),
    [
        ("template-number", False, template(255, FLOW_FIELDS)),
        ("template-length", False, template(256, FLOW_FIELDS)[:-4]),
        ("template-fields", False, struct.pack(">HH", 256, 60_000)),
        ("template-empty", False, template(256, [(8, 0), (12, 0)])),
        ("template-empty", False, template(256, [])),
        ("template-length", False, template(256, [(8, 0xFFFF)])),
        ("template-scopes", True, struct.pack(">HHHHH", 256, 0, 4, 34, 4)),
        ("template-length", True, struct.pack(">HHHHH", 256, 3, 4, 34, 4)),
        ("template-length", True, struct.pack(">HH", 256, 4)),
    ],
)
def test_a_template_that_cannot_be_is_rejected(reason, options, content):
    datagram = version_9(TEMPLATE, DATA, a_set(int(options), content))
    sink = take(datagram)
    assert sink.family("rejected.") == {reason: 1}
    assert len(sink.flows) == 1
    (letter,) = sink.letters
    assert (letter.topic, letter.reason) == ("netflow", reason)
    assert letter.error.startswith(f"from {EXPORTER}: ")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    fields=st.lists(st.tuples(st.integers(0, 0x7FFF), st.integers(1, 300)), min_size=1, max_size=30),
    number=st.integers(256, 65_535),
)
def test_templates_are_read_as_they_were_written(fields, number):
    (found,) = read_templates(10, template(number, fields))
    assert isinstance(found, Template)
    assert (found.number, found.raw) == (number, template(number, fields))
    assert [(field.element[1], field.length) for field in found.fields] == fields
    assert found.layout.size == sum(length for _, length in fields)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(version=st.sampled_from([9, 10]), options=st.booleans(), content=st.binary(max_size=200))
def test_any_bytes_are_templates_or_rejected(version, options, content):
    try:
        found = list(read_templates(version, content, options=options))
    except NetflowError:
        return
    assert all(256 <= each.number <= 65_535 or each.number in {2, 3} for each in found)


def test_a_restart_keeps_templates_and_rates(tmp_path):
    options = options_9(300, [(1, 4)], [(34, 4)]) + a_set(300, struct.pack(">II", 0, 100))
    names = options_9(301, [(1, 4)], [(95, 4), (96, 8)]) + a_set(301, bytes(4) + b"\0\0\0\1dns\0\0\0\0\0")
    sink = Taken()
    before = intake(sink, store=TemplateStore(str(tmp_path / "kept"), POINT))
    before.take([(version_9(TEMPLATE, options, names), EXPORTER, NOW)])
    before.keep()
    sink = Taken()
    after = intake(sink, store=TemplateStore(str(tmp_path / "kept"), POINT))
    after.take([(version_9(DATA, sequence=9), EXPORTER, NOW)])
    (made,) = sink.flows
    assert (made.sampling_rate, made.delta_source_bytes) == (100, 150_000)
    assert next(iter(after._domains)).applications == {b"\0\0\0\1": "dns"}
    # Another address has a file of its own.
    other = Taken()
    elsewhere = intake(other, store=TemplateStore(str(tmp_path / "kept"), "netflow:udp://127.0.0.1:9995"))
    elsewhere.take([(version_9(DATA), EXPORTER, NOW)])
    assert not other.flows


def test_processes_that_share_an_address_share_what_they_learn(tmp_path):
    sinks = [Taken(), Taken()]
    first, second = (intake(sink, store=TemplateStore(str(tmp_path), POINT)) for sink in sinks)
    first.take([(version_9(TEMPLATE), "192.0.2.1", NOW)])
    first.keep()
    second.take([(version_9(TEMPLATE), "192.0.2.2", NOW)])
    second.keep()
    first.keep()
    for taking, exporter in ((first, "192.0.2.2"), (second, "192.0.2.1")):
        taking.keep()
        taking.take([(version_9(DATA, sequence=1), exporter, NOW)])
    third = Taken()
    later = intake(third, store=TemplateStore(str(tmp_path), POINT))
    later.take([(version_9(DATA), "192.0.2.1", NOW), (version_9(DATA), "192.0.2.2", NOW)])
    assert len(third.flows) == 2
    assert len(sinks[0].flows) == 1
    assert not [path.name for path in tmp_path.iterdir() if path.suffix not in {".json", ".lock"}]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b'{"domains":[{"version":9,"exporter":5}]}',
        b'{"domains":[{"version":9,"exporter":"192.0.2.1","domain":1,"rates":{"all":99999999999999999999}}]}',
        b'{"domains":[{"version":9,"exporter":"192.0.2.1","domain":1,"applications":{"A":"dns"}}]}',
    ],
)
def test_a_file_that_is_damaged_is_as_good_as_none(tmp_path, caplog, content):
    store = TemplateStore(str(tmp_path), POINT)
    (tmp_path / "netflow-udp-127.0.0.1-2055.json").write_bytes(content)
    sink = Taken()
    taking = intake(sink, store=store)
    assert "cannot use the templates" in caplog.text
    taking.take([(version_9(TEMPLATE, DATA), EXPORTER, NOW)])
    taking.keep()
    assert len(sink.flows) == 1
    again = Taken()
    intake(again, store=TemplateStore(str(tmp_path), POINT)).take([(version_9(DATA), EXPORTER, NOW)])
    assert len(again.flows) == 1


def test_what_cannot_be_of_a_file_is_passed_over(tmp_path):
    raw = b64encode(template(256, FLOW_FIELDS)).decode()
    bad = [{"raw": "AAAA"}, {"raw": "no base64"}, {"raw": ""}, {"raw": raw}]
    domains = [{"version": version, "exporter": EXPORTER, "domain": 1, "templates": bad} for version in (5, 7, 9)]
    (tmp_path / "netflow-udp-127.0.0.1-2055.json").write_text(json.dumps({"domains": domains}), encoding="utf-8")
    sink = Taken()
    intake(sink, store=TemplateStore(str(tmp_path), POINT)).take([(version_9(DATA), EXPORTER, NOW)])
    assert len(sink.flows) == 1


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    sink = Taken()
    taking = intake(sink, store=TemplateStore(str(tmp_path / "file"), POINT))
    for number in range(3):
        taking.take([(version_9(a_set(0, template(256 + number, FLOW_FIELDS))), EXPORTER, NOW)])
        taking.keep()
    assert caplog.text.count("cannot keep templates") == 1
