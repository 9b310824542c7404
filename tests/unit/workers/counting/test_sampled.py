"""What capture nodes sample of themselves is in the groups that are documented, by the meters that these have."""

from __future__ import annotations

from datetime import UTC

from capture.eve.events import StatsPart
from capture.eve.statistics import statistics_of
from capture.exports.books import Books
from capture.exports.windows import Windows
from capture.settings import FlowExportSettings, SyslogSettings
from capture.sflow.counters import GROUP as SFLOW
from capture.sflow.counters import KINDS
from capture.snmptrap.intake import Intake as TrapIntake
from capture.source import observe_live
from capture.syslog.intake import Intake as SyslogIntake
from tapline.groups import CounterGroup
from tests.unit.capture.sinks import KeepingSink
from topics.records import Metric
from workers.counting.groups import GROUPS

NOW = 1_700_000_000_000_000
OBSERVATION = observe_live("node", "point", NOW)
BY_NAME = {group.name: group for group in GROUPS}


class Everything(dict[str, object]):
    """Counters of which each has been counted."""

    def get(self, _name: str, _default: object = None) -> int:  # type: ignore[override]
        return 1


def kinds(group: CounterGroup) -> dict[str, str]:
    return {meter.name: meter.kind for meter in group.meters}


def sampled(sample: Metric) -> dict[str, str]:
    return {name: sample.kinds.get(name, "counter") for name in sample.meters}


def test_readings_of_sflow() -> None:
    assert kinds(BY_NAME[SFLOW]) == KINDS


def test_what_suricata_counts() -> None:
    blocks = {name: Everything() for name in ("capture", "decoder", "flow", "tcp", "http", "ftp", "detect")}
    sample = statistics_of(StatsPart(uptime=1, **blocks), {"id": "1", "time": NOW}, "")
    # A check of logs counts events in the same group.
    assert sampled(sample) | {"events": "counter"} == kinds(BY_NAME[sample.group])


def test_sums_of_listeners() -> None:
    sink = KeepingSink()
    syslog = SyslogIntake(OBSERVATION, SyslogSettings(), UTC, sink, NOW)
    syslog.take([b"<14>a line"], "192.0.2.1")
    traps = TrapIntake(OBSERVATION, "", lambda _data, _reader: None, 1, sink)  # type: ignore[arg-type, return-value]
    traps.take(b"no trap", "192.0.2.1")
    for intake in (syslog, traps):
        intake.finish()
    assert len(sink.samples) == 2
    for sample in sink.samples:
        assert sampled(sample) == kinds(BY_NAME[sample.group])


def test_sums_of_exporters() -> None:
    sink = KeepingSink()
    books = Books(OBSERVATION, "netflow", FlowExportSettings(), sink, NOW)
    for meter in ("datagrams", "flows", "missing", "gap", "reordered", "restart", "drops"):
        books.add("192.0.2.1", meter)
    windows = Windows(sink, "netflow", 0, NOW)
    books.reject(b"x", "192.0.2.1", "version", "of another", windows)
    books.drop(1)
    books.tell(windows)
    told = {name: kind for sample in sink.samples for name, kind in sampled(sample).items()}
    assert told == kinds(BY_NAME["Flow Exporters"])
