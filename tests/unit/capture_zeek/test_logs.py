"""Files and folders of Zeek's logs: which line is of which log, what is rejected, ignored and in which window."""

from __future__ import annotations

import gzip
import json
import os
from base64 import b64decode
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.node import CaptureNode
from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.zeek.lines import LONGEST
from capture.zeek.opening import open_zeek
from capture.zeek.reading import LogFile
from tests.unit.capture.sinks import KeepingPublisher
from tests.unit.capture_zeek.made import BEGAN, CONN, ENDS, Taken, columns_of, lines_of, read
from topics.errors import TaplineError
from topics.partitions import digest

SHARED = Path(__file__).parents[4] / "shared" / "telemetry"
DNS = {"ts": BEGAN, **ENDS, "proto": "udp", "query": "example.org", "RD": True}
NEVER = 1 << 62


def taken(path: Path, text: str | bytes) -> Taken:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = read(path)
    assert found.sums_up()
    return found


@pytest.mark.parametrize(
    "name", ["conn.log", "conn.2020-09-13-12:00:00-13:00:00.log", "conn.json", "conn_20200913.log"]
)
def test_a_log_that_does_not_say_which_it_is_is_known_by_its_name(tmp_path, name):
    assert len(taken(tmp_path / name, lines_of(CONN)).flows) == 1


@pytest.mark.parametrize("name", ["conn_long.log", "http2.log", "x5090.log", "kerberos.log"])
def test_a_log_of_another_name_is_another_log(tmp_path, name):
    found = taken(tmp_path / name, lines_of(CONN, CONN))
    assert not found.put_all
    assert found.family("ignored.") == {"other-log": 2}
    assert found.family("ignored-files.") == {"other-log": 1}


def test_what_a_line_says_goes_before_the_name(tmp_path):
    found = taken(tmp_path / "conn.log", lines_of(CONN) + lines_of(DNS, path="dns") + lines_of(CONN, path="kerberos"))
    assert (len(found.flows), len(found.resources)) == (1, 1)
    assert found.family("ignored.") == {"other-log": 1}
    assert not found.family("ignored-files.")


@pytest.mark.parametrize(("path", "name"), [("", "lines.json"), ("_0_0_2", "conn.log"), ("weird.123", "conn.log")])
def test_a_line_of_which_nobody_says_what_it_is_is_rejected(tmp_path, path, name):
    assert taken(tmp_path / name, lines_of(CONN, path=path)).reasons == {"zeek-path": 1}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ts": None}, "zeek-type"),
        ({"ts": "yesterday"}, "zeek-time"),
        ({"ts": 0}, "zeek-time"),
        ({"ts": -5.0}, "zeek-time"),
        ({"ts": 1e300}, "zeek-time"),
        ({"ts": 9_999_999_999}, "zeek-time"),
        ({"id.orig_p": 65_536}, "zeek-type"),
        ({"id.orig_p": "http"}, "zeek-type"),
        ({"id.orig_h": "nobody"}, "zeek-address"),
        ({"id.resp_h": ""}, "zeek-address"),
        ({"id.resp_h": "1.2.3.4.5"}, "zeek-address"),
        ({"orig_ip_bytes": -1}, "zeek-type"),
        ({"duration": -1.0}, "zeek-type"),
        ({"duration": 1e12}, "zeek-type"),
    ],
)
@pytest.mark.parametrize("form", ["columns", "json"])
def test_a_line_that_cannot_be_used_is_rejected_and_the_others_are_not(tmp_path, changed, reason, form):
    rows = [CONN, CONN | changed, CONN]
    text = columns_of("conn", *rows) if form == "columns" else lines_of(*rows)
    found = taken(tmp_path / "conn.log", text)
    assert found.reasons == {reason: 1}
    assert len(found.flows) == 2
    (letter,) = found.letters
    number = text.splitlines().index(b64decode(letter.value).decode()) + 1
    assert (letter.topic, letter.reason, letter.offset) == ("zeek", reason, number)
    assert letter.error.startswith(f"conn.log:{number}: ")


def test_ports_that_are_missing_are_said_so(tmp_path):
    row = {name: value for name, value in CONN.items() if name != "id.resp_p"}
    (letter,) = taken(tmp_path / "conn.log", columns_of("conn", row)).letters
    assert "`id.resp_p`" in letter.error


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "zeek-json"),
        (b'{"ts":1600000000', "zeek-json"),
        (b"[]", "zeek-no-header"),
        (b"1600000000\tC1\t192.0.2.1", "zeek-no-header"),
        (b'{"_path":7}', "zeek-path"),
        (b'{"_path":"conn","ts":' + b"[" * 5000, "zeek-json"),
        (b'{"a":"' + b"x" * LONGEST, "zeek-long"),
        (b"#separator ", "zeek-header"),
    ],
)
def test_what_is_no_line_is_rejected(tmp_path, line, reason):
    text = lines_of(CONN).encode() + line + b"\n" + lines_of(CONN).encode()
    found = taken(tmp_path / "conn.log", text)
    assert found.reasons == {reason: 1}
    assert len(found.flows) == 2


def test_a_line_with_more_or_fewer_fields_than_the_header_is_rejected(tmp_path):
    text = columns_of("conn", CONN, CONN)
    lines = text.splitlines()
    lines[7] = lines[7].rpartition("\t")[0]
    lines.insert(8, lines[6] + "\tmore")
    found = taken(tmp_path / "conn.log", "\n".join([*lines, lines[6][:40]]))
    assert found.reasons == {"zeek-fields": 3}
    assert len(found.flows) == 1


def test_a_header_in_the_middle_begins_another_log(tmp_path):
    other = columns_of("dns", DNS).replace("\t", ";").replace("#separator \\x09", "#separator \\x3b")
    found = taken(tmp_path / "joined.log", columns_of("conn", CONN) + other + columns_of("capture_loss", {"ts": 1}))
    assert (len(found.flows), len(found.resources)) == (1, 1)
    assert found.family("ignored.") == {"other-log": 1}


def test_a_header_that_cannot_be_leaves_no_fields(tmp_path):
    text = columns_of("conn", CONN).replace("#fields\tts\tuid", "#fields\tts\tts")
    assert taken(tmp_path / "conn.log", text).reasons == {"zeek-header": 1, "zeek-no-header": 1}


def test_a_header_that_names_no_separator_does_not_end_the_reading(tmp_path):
    text = columns_of("conn", CONN).replace("#separator \\x09", "#separator")
    found = taken(tmp_path / "conn.log", text)
    assert found.reasons == {"zeek-header": 1}
    assert len(found.flows) == 1


def test_what_is_escaped_unset_and_empty(tmp_path):
    row = {"ts": BEGAN, "note": "A::B", "msg": "tab\\x09and \\xc3\\xa9 \\xff", "sub": "", "actions": ["x\\x2cy", "z"]}
    (alert,) = taken(tmp_path / "notice.log", columns_of("notice", row, row | {"sub": None})).alerts[:1]
    assert alert.message == "tab\tand é �"
    assert alert.attributes["actions"] == "x,y, z"
    assert "sub" not in alert.attributes


@pytest.mark.parametrize("ts", [BEGAN + 0.25, (BEGAN + 0.25) * 1000, "2020-09-13T12:26:40.250000Z"])
def test_times_of_all_of_zeeks_formats(tmp_path, ts):
    (flow,) = taken(tmp_path / "conn.log", lines_of(CONN | {"ts": ts})).flows
    assert flow.start == BEGAN * 1_000_000 + 250_000


def test_a_folder_of_logs_is_one_stream_in_the_order_of_time(tmp_path):
    folder = tmp_path / "logs"
    (folder / "older").mkdir(parents=True)
    (folder / "README").write_text("no log")
    (folder / "broken.gz").write_bytes(b"\x1f\x8bnothing")
    (folder / "conn.log").write_text(lines_of(*(CONN | {"ts": BEGAN + 3600 * hour} for hour in range(3))))
    (folder / "dns.00.log.gz").write_bytes(gzip.compress(columns_of("dns", DNS).encode()))
    (folder / "dns.01.log").write_text(columns_of("dns", DNS | {"ts": BEGAN + 3600}))
    (folder / "dns.copy.log").write_text(columns_of("dns", DNS | {"ts": BEGAN + 3600}))
    found = read(folder)
    assert found.sums_up()
    assert (len(found.flows), len(found.resources), found.counts["files"]) == (3, 2, 3)
    assert found.family("ignored-files.") == {"no-log": 2, "folder": 1, "twice": 1}
    times = [put.record.time for put in found.put_all]
    assert times == sorted(times)
    assert [put.window for put in found.put_all] == [time // 60_000_000 * 60 for time in times]
    assert found.advanced == sorted(set(found.advanced))


def test_a_line_counts_in_the_window_in_which_it_ended_however_late_it_was_written(tmp_path):
    rows = [CONN | {"ts": BEGAN + 300, "duration": 0.0}, CONN | {"ts": BEGAN - 600, "duration": 590.0}]
    found = taken(tmp_path / "conn.log", lines_of(*rows))
    assert [put.window for put in found.put_all] == [(BEGAN + 300) // 60 * 60, (BEGAN - 10) // 60 * 60]


def test_a_line_later_than_its_window_was_closed_counts_in_the_oldest_that_is_open(tmp_path):
    rows = [CONN | {"ts": BEGAN + 7200}, CONN | {"ts": BEGAN + 10}]
    found = taken(tmp_path / "conn.log", lines_of(CONN, *rows))
    assert found.counts["late"] == 1
    assert found.put_all[2].window == (BEGAN + 7200) // 60 * 60 - 600
    assert found.put_all[2].record.time == (BEGAN + 12) * 1_000_000 + 500_000


def test_a_copy_under_another_name_makes_the_same_records(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, name in ((first, "dns.log"), (second, "0.dns.log")):
        folder.mkdir()
        (folder / "conn.log").write_text(lines_of(CONN, CONN | {"id.orig_p": "x"}))
        (folder / name).write_text(lines_of(DNS, path="dns"))
    os.utime(second / "conn.log", (NEVER >> 32, NEVER >> 32))
    one, other = read(first), read(second)
    assert one.observation.stream == other.observation.stream
    assert one.observation.is_file
    assert Counter((put.key, put.record.id, put.window) for put in one.put_all) == Counter(
        (put.key, put.record.id, put.window) for put in other.put_all
    )
    assert len({put.record.id for put in one.put_all}) == len(one.put_all) == 3


def test_a_log_that_is_cut_short_is_read_as_far_as_it_goes_and_the_others_to_their_end(tmp_path):
    rows = [CONN | {"ts": BEGAN + number, "uid": digest(number)} for number in range(2000)]
    whole = gzip.compress(lines_of(*rows).encode())
    (tmp_path / "conn.log.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dns.log").write_text(lines_of(DNS | {"ts": BEGAN + 9000}))
    found = read(tmp_path)
    assert found.sums_up()
    assert 0 < len(found.flows) < 2000
    assert len(found.resources) == 1
    assert "conn.log.gz is damaged or cut short" in found.problem


def test_it_is_published_with_markers_as_a_capture_file_is(tmp_path):
    (tmp_path / "conn.log").write_text(lines_of(*(CONN | {"ts": BEGAN + 60 * minute} for minute in range(30))))
    observation, sources = open_capture(f"zeek:{tmp_path}", CaptureSettings(node="node"))
    publisher = KeepingPublisher()
    node = CaptureNode(observation, sources, publisher)
    node.run()
    assert node.announced["flow"] == node.records["flow"] == 30
    windows = [message.envelope.window for message in publisher.markers]
    assert windows == sorted(windows)
    assert len(set(windows)) == 30


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("zeek:", None, "names nothing to read"),
        ("zeek:{folder}/none.log", None, "cannot read"),
        ("zeek:{folder}", None, "holds no log"),
        ("zeek:{folder}/a.txt", "no log", "is no log of Zeek"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(tmp_path, name, text, problem):
    if text:
        (tmp_path / "a.txt").write_text(text)
    with pytest.raises(TaplineError, match=problem) as raised:
        open_capture(name.format(folder=tmp_path), CaptureSettings())
    assert "\n" not in str(raised.value)


def test_stopping_puts_nothing_more(tmp_path):
    log = tmp_path / "conn.log"
    log.write_text(lines_of(CONN))
    observation, (source,) = open_zeek(f"zeek:{log}", CaptureSettings())
    sink = Taken(observation)
    source.stop()
    source.run(sink)
    assert not sink.put_all


def test_dead_letters_of_a_file_are_bounded(tmp_path):
    found = taken(tmp_path / "conn.log", "{}\n" * 700)
    assert found.reasons == {"zeek-type": 700}
    assert (len(found.letters), found.counts["unpublished"]) == (600, 100)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
FIELDS = sorted({*CONN, *DNS, "_path", "note", "name", "fuid", "id", "answers", "tx_hosts", "certificate.serial"})
LOGS = st.sampled_from(["conn", "dns", "http", "ssl", "x509", "files", "notice", "weird"])


@settings(deadline=None, max_examples=60)
@given(
    line=st.one_of(
        st.binary(),
        st.dictionaries(st.sampled_from(FIELDS), JSON).map(lambda row: json.dumps(row).encode()),
        st.tuples(LOGS, st.dictionaries(st.sampled_from(FIELDS), JSON)).map(
            lambda made: json.dumps(
                CONN | {"note": "A", "name": "b", "fuid": "F"} | made[1] | {"_path": made[0]}
            ).encode()
        ),
        st.lists(st.sampled_from([*map(str, CONN.values()), "-", "(empty)", "\\x", "T", "nan", "inf"])).map(
            lambda values: "\t".join(values).encode()
        ),
    ).filter(lambda line: b"\n" not in line),
    header=LOGS.map(lambda path: columns_of(path, CONN | DNS)) | st.just(""),
)
def test_any_bytes_are_a_record_or_have_a_reason(tmp_path_factory, line, header):
    log = tmp_path_factory.mktemp("logs") / "conn.log"
    log.write_bytes(header.encode() + lines_of(CONN).encode() + line + b"\n")
    assert read(log).sums_up()


VALUES = st.sampled_from(
    ["nan", "inf", "-inf", "1e999", "9" * 400, "0x1", "1_0", "\\xff", "2020-09-13T25:00:00Z", "::"]
)


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(sorted(CONN)), value=VALUES | st.text(alphabet=st.characters(exclude_characters="\t\n")))
def test_any_value_in_a_column_is_used_or_has_a_reason(tmp_path_factory, name, value):
    log = tmp_path_factory.mktemp("logs") / "conn.log"
    log.write_bytes(columns_of("conn", CONN, CONN | {name: value}, CONN).encode("utf-8", "replace"))
    found = read(log)
    assert found.sums_up()
    assert len(found.flows) + sum(found.reasons.values()) >= 3


def logs_of_others() -> list[Path]:
    return [
        SHARED / "slips" / "test10-mixed-zeek-dir",
        SHARED / "vast" / "zeek",
        *sorted((SHARED / "vast" / "zeek").glob("*")),
    ]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder ../shared/telemetry with logs of others is not there")
@pytest.mark.parametrize("path", logs_of_others(), ids=lambda path: path.name)
def test_every_line_of_logs_of_others_is_used_or_counted_with_its_reason(path):
    found = read(path)
    assert found.sums_up()
    assert found.counts["lines"] == sum(len(_lines(log)) for log in ([path] if path.is_file() else path.iterdir()))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder ../shared/telemetry with logs of others is not there")
def test_what_is_in_the_logs_of_others():
    found = read(SHARED / "slips" / "test10-mixed-zeek-dir")
    assert len(found.flows) == 141
    # The one line that was edited by hand and has lost its tabs.
    assert found.reasons == {"zeek-fields": 1}
    assert found.family("ignored-files.") == {"other-log": 4}
    assert all(flow.community_id for flow in found.flows)
    certificates = [resource for resource in found.resources if resource.x509]
    assert [resource.destination_ip for resource in certificates] == ["3.232.121.231"] * 2
    assert all(resource.uri.startswith("SHA1:") for resource in certificates)
    assert not found.family("unjoined.")
    found = read(SHARED / "vast" / "zeek" / "zeek.json")
    assert found.reasons == {"zeek-path": 3}


def _lines(log: Path) -> list[bytes]:
    content = log.read_bytes()
    content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    return [line for line in content.split(b"\n") if line]


def test_a_file_is_opened_when_its_time_has_come(tmp_path, monkeypatch):
    for hour in range(50):
        (tmp_path / f"conn.{hour:02}.log").write_text(lines_of(CONN | {"ts": BEGAN + 3600 * hour}))
    observation, (source,) = open_zeek(f"zeek:{tmp_path}", CaptureSettings())
    open_now, most = 0, 0
    chunks = LogFile._chunks

    def counted(self, progress):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        yield from chunks(self, progress)
        open_now -= 1

    monkeypatch.setattr(LogFile, "_chunks", counted)
    sink = Taken(observation)
    source.run(sink)
    assert len(sink.flows) == 50
    assert most <= 2
