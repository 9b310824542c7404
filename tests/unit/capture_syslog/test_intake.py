"""What becomes of lines: whose they are, when they were, and what is said of those that cannot be used."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from capture.settings import CaptureSettings, SyslogSettings
from capture.source import observe_live, window_of
from capture.syslog.intake import Intake
from capture.syslog.opening import open_syslog
from capture.syslog.producers import Producers
from tests.unit.capture_syslog.made import NOW, UTC, Received, take
from topics.catalog import ALERT, DEAD, FLOW, METRIC
from topics.errors import TaplineError
from topics.records import Metric

EVENT = (
    b'<142>Dec  3 12:00:00 sensor suricata[7]: {"timestamp":"2026-12-03T12:00:00+0000","event_type":"alert","src_ip":'
    b'"192.0.2.1","dest_ip":"192.0.2.2","proto":"TCP","alert":{"signature":"Bad","signature_id":7,"severity":1}}'
)


def test_a_line_is_a_document():
    received = take([b"<38>Dec  3 12:00:00 web1 sshd[12]: Accepted"])
    (document,) = received.documents
    assert (document.group, document.key, document.text) == ("syslog", "sshd", "Accepted")
    assert (document.source_ip, document.node) == ("192.0.2.9", "node")
    assert document.time == NOW - 30_000_000
    head = document.syslog
    assert head is not None
    assert (head.producer, head.facility, head.severity) == ("sshd", 4, 6)
    assert (head.hostname, head.application, head.process_id, head.received) == ("web1", "sshd", "12", False)


@pytest.mark.parametrize(
    ("text", "client", "device", "peer", "application", "producer"),
    [
        ("date=2026-01-01", "192.0.2.1", "fw", "192.0.2.3", "app", "fortinet"),
        ("x", "192.0.2.1", "fw", "192.0.2.3", "app", "by-client"),
        ("x", "", "fw", "192.0.2.3", "app", "by-device"),
        ("x", "", "FW", "192.0.2.3", "app", "by-device"),
        ("x", "", "other", "192.0.2.3", "app", "by-peer"),
        ("x", "", "other", "2001:db8::1", "app", "by-peer-6"),
        ("x", "", "other", "192.0.2.4", "App", "app"),
        ("x", "", "other", "192.0.2.4", "", "anything"),
    ],
)
def test_the_producer_is_the_first_that_applies(text, client, device, peer, application, producer):
    named = {
        "192.0.2.1": "by-client",
        "fw": "by-device",
        "192.0.2.3": "by-peer",
        "2001:DB8:0::1": "by-peer-6",
        "*": "anything",
    }
    assert Producers(named).choose(text, client, device, peer, application) == producer


def test_without_a_producer_a_line_is_ignored_and_says_so():
    received = take([b"<13>a text alone"])
    assert received.reasons == {"no-producer": 1}
    (letter,) = received.letters
    assert (letter.topic, letter.reason, letter.node, letter.offset) == ("syslog", "no-producer", "node", 1)
    assert b64decode(letter.value) == b"<13>a text alone"
    assert not received.documents


def test_the_client_of_a_collector_is_who_sent_it():
    received = take([b"1609459200;10.1.2.3; <13>app: x", b"1609459200;relay; <13>app: x"])
    assert [document.source_ip for document in received.documents] == ["10.1.2.3", "192.0.2.9"]


def test_a_clock_that_is_wrong_is_not_believed_and_moves_no_window():
    lines = [
        b"<13>1 2026-12-03T12:00:00Z h a - - - right",
        b"<13>1 2026-12-03T12:04:00Z h a - - - a little early",
        b"<13>1 2026-12-03T13:04:00Z h a - - - an hour early",
        b"<13>1 1971-01-01T00:00:00Z h a - - - never set",
        b"<13>1 - h a - - - none",
    ]
    received = take(lines)
    assert [document.time - NOW for document in received.documents] == [-30_000_000, 210_000_000, 0, 0, 0]
    assert [document.syslog.received for document in received.documents] == [False, False, True, True, True]
    assert {put.window for put in received.sink.put_all} == {window_of(NOW)}
    assert received.sink.counts["time-not-believed"] == 2


def test_windows_are_those_in_which_lines_came():
    received = Received()
    observation = observe_live("node", "udp://127.0.0.1:514", NOW)
    intake = Intake(observation, SyslogSettings(), UTC, received.sink, NOW)
    intake.take([b"<13>app: first"], "192.0.2.1")
    intake.at(NOW + 60_000_000)
    intake.take([b"<13>app: second", b"bad"], "192.0.2.1")
    intake.at(NOW)
    intake.take([b"<13>app: third"], "192.0.2.1")
    intake.finish()
    first = window_of(NOW)
    assert [put.window for put in received.sink.put_all if put.topic not in {METRIC, DEAD}] == [
        first,
        *[first + 60] * 2,
    ]
    assert received.sink.advanced == [first]
    sums = [put.record for put in received.sink.put_all if isinstance(put.record, Metric)]
    assert [each.meters for each in sums] == [
        {"lines": 1, "bytes": 14, "rejected": 0, "dropped": 0},
        {"lines": 3, "bytes": 32, "rejected": 1, "dropped": 0},
    ]
    assert sums[0].id != sums[1].id


def test_no_more_is_published_of_what_is_rejected_than_is_allowed():
    received = take([b"bad"] * 100, settings=SyslogSettings(rejected_per_minute=10))
    assert len(received.letters) == 10
    assert received.reasons == {"no-priority": 100}
    assert received.sink.counts["unpublished"] == 90


def test_events_of_suricata_are_decoded():
    received = take([EVENT, EVENT.replace(b": {", b": @cee:{"), EVENT.replace(b": {", b": rule reload {")])
    alerts = [put.record for put in received.sink.put_all if put.topic is ALERT]
    assert [alert.message for alert in alerts] == ["Bad", "Bad"]
    assert len({alert.id for alert in alerts}) == 2
    assert [text.partition(" {")[0] for text in received.texts] == ["rule reload"]


def test_events_of_suricata_are_documents_as_well_where_that_is_set():
    received = take(
        [EVENT, EVENT.replace(b'"proto"', b'"src_port":"x","proto"')], settings=SyslogSettings(eve_documents=True)
    )
    (document,) = received.documents
    assert (document.key, document.text[:1]) == ("suricata", "{")
    assert received.reasons == {"eve-type": 1}
    assert received.letters[0].error.endswith("$.src_port`")


def test_an_event_with_a_wrong_clock_keeps_its_length():
    event = (
        b'<142>suricata: {"timestamp":"2036-12-03T12:00:00+0000","event_type":"flow","src_ip":"192.0.2.1","dest_ip":'
        b'"192.0.2.2","proto":"UDP","flow":{"start":"2036-12-03T11:00:00+0000","end":"2036-12-03T11:00:10+0000"}}'
    )
    received = take([event])
    (flow,) = [put.record for put in received.sink.put_all if put.topic is FLOW]
    assert (flow.time, flow.end, flow.start) == (NOW, NOW, NOW - 10_000_000)


def test_bytes_that_are_no_utf_8_are_replaced_and_counted():
    received = take([b"<13>app: caf\xe9"])
    assert received.texts == ["caf�"]
    assert received.sink.counts["not-utf-8"] == 1


@given(st.lists(st.binary(max_size=80).map(lambda text: b"<13>" + text) | st.binary(max_size=80), max_size=5))
def test_every_line_is_one_document_or_rejected(lines):
    received = take(lines)
    assert len(received.documents) + sum(received.reasons.values()) == len(lines)
    assert received.sink.counts["lines"] == len(lines)
    assert len(received.letters) == sum(received.reasons.values())


@given(st.binary(max_size=200))
def test_every_event_is_decoded_or_rejected(text):
    received = take([b"<142>suricata: {" + text])
    made = [put for put in received.sink.put_all if put.topic is not METRIC]
    assert len(made) >= 1


def read_file(path, settings: CaptureSettings | None = None) -> Received:
    received = Received()
    _, (source,) = open_syslog(f"syslog:{path}", settings or CaptureSettings(node="node"))
    source.run(received.sink)
    return received


def test_a_file_is_read_in_the_time_of_its_lines_and_comes_to_the_same_again(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(
        b"<13>1 2026-01-01T10:00:00Z h a - - - one\n"
        b"bad\n"
        b"<13>1 2026-01-01T10:02:00Z h a - - - two\r\n"
        b"<13>1 2026-01-01T10:01:00Z h a - - - three, late\n"
        b"<13>1 2999-01-01T10:01:00Z h a - - - four, from the future\n\n"
        b"<13>a: five"
    )
    first, again = read_file(path), read_file(path)
    assert first.sink.put_all == again.sink.put_all
    ten = 1767261600
    windows = [put.window - ten for put in first.sink.put_all if put.topic is not METRIC and put.topic is not DEAD]
    assert windows == [0, 120, 120, 120, 120]
    assert [document.time // 1_000_000 - ten for document in first.documents] == [0, 120, 60, 120, 120]
    assert [document.syslog.received for document in first.documents] == [False, False, False, True, True]
    assert first.reasons == {"no-priority": 1}
    assert first.sink.advanced == [ten + 60]
    assert first.sink.counts["empty"] == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("syslog:", "names nothing to read"),
        ("syslog:sctp://127.0.0.1:514", "is no address to listen on"),
        ("syslog:udp://127.0.0.1:99999", "there is no port 99999"),
        ("syslog:/nothing/here", "No such file or directory"),
        ("syslog:tls://127.0.0.1:0", "capture.syslog.certificate_file is not set"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(source, message):
    with pytest.raises(TaplineError, match=message) as raised:
        open_syslog(source, CaptureSettings())
    assert "\n" not in str(raised.value)


def test_an_unknown_time_zone_is_said():
    settings = replace(CaptureSettings(), syslog=SyslogSettings(timezone="Mars/Olympus"))
    with pytest.raises(TaplineError, match=r"capture\.syslog\.timezone: 'Mars/Olympus' is no time zone"):
        open_syslog("syslog:udp://127.0.0.1:0", settings)
