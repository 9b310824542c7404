"""What another process makes of packets arrives as if it were made here, and its end is told."""

from __future__ import annotations

import sys
import threading

import pytest

from capture.packet_scripts.process import PacketProcess
from capture.source import CutShort
from tests.unit.capture.sinks import KeepingSink
from tests.waiting import wait_for
from topics.catalog import ALERT, METRIC
from topics.errors import TaplineError

BEGIN = """
import sys, time
from capture.packet_scripts.process import RecordWriter
from capture.source import CutShort
from topics.catalog import ALERT, METRIC
from topics.errors import TaplineError
from topics.records import Alert, Metric
writer = RecordWriter(sys.stdout.buffer)
"""


def process(code: str) -> PacketProcess:
    return PacketProcess([sys.executable, "-c", BEGIN + code])


def test_records_windows_and_counts_arrive() -> None:
    sink = KeepingSink()
    process(
        """
writer.put(ALERT, "a key", Alert(id="1", time=61_000_000, type="t", message="m", attributes={"a": "b"}), 60)
writer.count("packets", "shown", 3)
writer.advance("packets", 60)
writer.put(METRIC, "g", Metric(id="2", time=121_000_000, group="g", key="k", meters={"hits": 1}), 120)
"""
    ).run(sink)
    alert, metric = sink.put_all
    assert (alert.topic, alert.key, alert.window, alert.record.attributes) == (ALERT, "a key", 60, {"a": "b"})
    assert (metric.topic, metric.window, metric.record.meters) == (METRIC, 120, {"hits": 1})
    assert sink.advanced == [60]
    assert sink.counts["shown"] == 3


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("writer.failed(TaplineError('no tshark'))", TaplineError, "^no tshark$"),
        ("writer.failed(CutShort('it ends early'))", CutShort, "^it ends early$"),
        ("sys.exit(3)", TaplineError, "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", TaplineError, "ended with signal 9"),
    ],
)
def test_its_end_is_told(code: str, kind: type[TaplineError], message: str) -> None:
    with pytest.raises(TaplineError, match=message) as raised:
        process(code).run(KeepingSink())
    assert type(raised.value) is kind


def test_it_ends_when_it_is_stopped() -> None:
    source = process("writer.count('packets', 'here')\ntime.sleep(600)")
    sink = KeepingSink()
    thread = threading.Thread(target=source.run, args=(sink,))
    thread.start()
    wait_for(lambda: sink.counts["here"] or not thread.is_alive(), "a count")
    source.stop()
    thread.join()
    assert sink.counts["here"] == 1
    assert source._process is not None
    assert source._process.returncode is not None


def test_what_was_stopped_before_does_not_begin() -> None:
    source = process("writer.count('packets', 'here')")
    source.stop()
    sink = KeepingSink()
    source.run(sink)
    assert not sink.counts


def test_what_cannot_be_started_is_told() -> None:
    with pytest.raises(TaplineError, match="packet scripts cannot be started: No such file"):
        PacketProcess(["/nowhere/python"]).run(KeepingSink())
