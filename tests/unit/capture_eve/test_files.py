"""Events in a finished file, and in a pipe."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.eve.intake import Intake
from capture.eve.lines import Lines
from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.source import observe_live, window_of
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture_eve.made import BEGAN, anomaly
from topics.catalog import METRIC

MINUTE = 60
START = BEGAN // MINUTE * MINUTE


def read(path: Path) -> KeepingSink:
    sink = KeepingSink()
    _, (source,) = open_capture(f"eve:{path}", CaptureSettings(node="node"))
    source.run(sink)
    return sink


def flow(began: int, ended: int, told: int) -> bytes:
    """A flow's end, of which was told so many seconds after the start."""

    def text(seconds: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000000+0000", time.gmtime(START + seconds))

    event: dict[str, Any] = json.loads(anomaly(0))
    del event["anomaly"]
    event |= {"event_type": "flow", "timestamp": text(told), "flow_id": began}
    event["flow"] = {"start": text(began), "end": text(ended), "bytes_toserver": 7, "pkts_toserver": 1}
    return json.dumps(event).encode() + b"\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "eve.json"


def test_reading_again_makes_the_same_records(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"".join(anomaly(number) for number in range(50)))
    copy = tmp_path / "another.json"
    copy.write_bytes(file.read_bytes())
    first, second = read(file), read(copy)
    assert [put.record.id for put in first.put_all] == [put.record.id for put in second.put_all]
    assert len(first.put_all) == first.counts["used"] == first.counts["lines"] == 50
    assert first.counts["bytes"] == file.stat().st_size


def test_a_flow_counts_in_the_window_in_which_it_ended(file: Path) -> None:
    file.write_bytes(flow(0, 400, 430) + flow(5, 10, 470) + flow(400, 2000, 2030))
    sink = read(file)
    assert sink.windows() == [window_of((START + ended) * 1_000_000) for ended in (400, 10, 2000)]
    assert not sink.counts["late"]


def test_counters_dated_by_another_clock_move_no_window(file: Path) -> None:
    """As Suricata writes them when it reads an old capture."""
    counters = anomaly(0, timestamp=f"{time.strftime('%Y-%m-%dT%H:%M:%S')}.000000+0000", event_type="stats", stats={})
    file.write_bytes(flow(0, 400, 430) + counters + flow(5, 390, 470))
    sink = read(file)
    assert sink.windows() == [window_of((START + ended) * 1_000_000) for ended in (400, 390)]
    assert [put.window for put in sink.put_all if put.topic is METRIC] == [window_of((START + 400) * 1_000_000)]
    assert not sink.counts["late"]


def test_a_flow_that_is_told_of_too_late_counts_in_the_oldest_window(file: Path) -> None:
    file.write_bytes(flow(0, 1200, 1200) + flow(5, 10, 1210))
    sink = read(file)
    assert sink.windows() == [START + 1200, START + 600]
    assert sink.counts["late"] == 1


def test_every_line_is_used_or_rejected(file: Path) -> None:
    late = json.loads(anomaly(3)) | {"timestamp": "2099-01-01T00:00:00.000000+0000"}
    lines = [anomaly(0), b"{\n", b"\n", b"[]\n", json.dumps(late).encode() + b"\n", b"y" * (2 << 20) + b"\n"]
    file.write_bytes(b"".join(lines) + anomaly(1).rstrip())
    sink = read(file)
    assert sink.counts["lines"] == 7
    assert sink.counts["used"] == 2
    rejected = {name: amount for name, amount in sink.counts.items() if name.startswith("rejected")}
    assert rejected == {
        "rejected.eve-json": 2,
        "rejected.eve-type": 1,
        "rejected.eve-time": 1,
        "rejected.eve-long": 1,
    }


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb") as file:
            file.write(anomaly(0) + anomaly(1)[:20])
            file.flush()
            file.write(anomaly(1)[20:])

    writer = threading.Thread(target=write)
    writer.start()
    sink = read(pipe)
    writer.join()
    assert sink.counts["used"] == 2
    # Its times are its own, as old as they may be.
    assert not sink.counts["time-not-believed"]


EVENTS = [
    anomaly(0),
    flow(0, 10, 20),
    anomaly(0, event_type="dns", dns={"type": "answer", "rrname": "a", "rrtype": "A", "rdata": "192.0.2.1"}),
    anomaly(0, event_type="http", http={"hostname": "a", "url": "/", "status": 200, "http_method": "GET"}),
    anomaly(0, event_type="tls", tls={"sni": "a", "chain": ["MAA="], "notbefore": "2026-01-01T00:00:00"}),
    anomaly(0, event_type="alert", alert={"signature": "a", "signature_id": 1, "metadata": {"a": ["b"]}}),
    anomaly(0, event_type="stats", stats={"uptime": 1, "decoder": {"pkts": 1}}),
]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 400), st.binary(max_size=3)), max_size=10))
def test_whatever_a_line_has_become_it_is_used_or_rejected(mutated: list[tuple[bytes, int, bytes]]) -> None:
    lines = [line[:at] + put.replace(b"\n", b"") + line[at + len(put) : -1] for line, at, put in mutated]
    sink = KeepingSink()
    intake = Intake(observe_live("node", "here", 1), sink, BEGAN * 1_000_000)
    intake.take(lines, "id", 1, "")
    rejected = sum(amount for name, amount in sink.counts.items() if name.startswith("rejected."))
    assert sink.counts["used"] + rejected == len(lines)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=40), max_size=12), st.lists(st.integers(1, 30), max_size=20))
def test_lines_are_the_same_however_they_come(lines: list[bytes], sizes: list[int]) -> None:
    longest = 16
    data = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    cutter = Lines(longest)
    cut: list[bytes] = []
    rest = data
    while rest:
        size = sizes.pop() if sizes else 7
        cut += cutter.feed(rest[:size])
        rest = rest[size:]
    assert cut == [line.replace(b"\n", b"")[: longest + 1] for line in lines]
    assert cutter.taken == len(data)
    assert not cutter.rest
