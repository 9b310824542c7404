"""The samples that look at flows, against what tshark says of the captures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tapline.testing import Result, run
from tests.golden.scripts.samples import DEMO, arp_alone, facts, needs_tshark, sample, shared, tshark


def test_sg1_prints_each_new_flow() -> None:
    told = run(sample("sg1"), DEMO)
    flows = facts(DEMO.name)["community_ids"]["distinct"]
    assert len(told.printed) == flows
    assert len({line.split()[2] for line in told.printed}) == flows, "each flow has an id of its own"
    assert any("10.20.1.11:40146 -> 10.20.0.22:22 SSH" in line for line in told.printed)
    assert all(line.startswith("new flow ") for line in told.printed)


@needs_tshark
def test_sg1_prints_one_line_for_a_question_and_its_answer() -> None:
    capture = shared("dns-txt-multiple.pcap")
    (line,) = run(sample("sg1"), capture).printed
    question = tshark(capture, "dns.flags.response == 0", "ip.src", "udp.srcport", "ip.dst", "udp.dstport")
    ((source, source_port, destination, destination_port),) = question
    assert line.split()[3:7] == ["udp", f"{source}:{source_port}", "->", f"{destination}:{destination_port}"]


def test_sg2_numbers_the_flows_in_a_file_of_each_instance(tmp_path: Path) -> None:
    told = run(sample("sg2"), DEMO, params={"folder": str(tmp_path)}, partitions=2)
    assert not told.printed
    assert not told.errors
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["flog.flow-0", "flog.flow-1"]
    seen = [[line.split("  ") for line in file.read_text().splitlines()] for file in files]
    for lines in seen:
        assert [number for number, _ in lines] == [str(each + 1) for each in range(len(lines))]
    assert len({flow for lines in seen for _, flow in lines}) == facts(DEMO.name)["community_ids"]["distinct"]


def test_sg3_writes_a_table_for_each_window(tmp_path: Path) -> None:
    told = run(sample("sg3"), DEMO, params={"folder": str(tmp_path)})
    assert not told.errors
    text = (tmp_path / "fdetails.flow-0").read_text()
    tables = [table.splitlines() for table in text.split("-" * 146 + "\n")]
    assert tables.pop() == []
    windows = facts(DEMO.name)["windows"]
    assert [table[0] for table in tables] == [
        f"{datetime.fromtimestamp(int(window), UTC):%Y-%m-%d %H:%M:%S} UTC" for window in sorted(windows)
    ]
    for table in tables:
        assert [int(line.split()[0]) for line in table[1:]] == list(range(1, len(table)))
    session = next(flow for flow in facts(DEMO.name)["ssh_flows"] if flow["client_port"] == 40146)
    lines = [line.split() for table in tables for line in table[1:] if "10.20.1.11:40146 " in line]
    assert len(lines) == session["windows"], "a flow that goes on has a line in each window"
    assert lines[-1][4] == str(session["bytes"])
    assert float(lines[-1][6]) == pytest.approx(session["duration_s"], abs=0.001)


@pytest.mark.parametrize(("name", "prefix"), [("sg1", ""), ("sg2", "flog"), ("sg3", "fdetails")])
def test_without_a_flow_nothing_is_written(tmp_path: Path, name: str, prefix: str) -> None:
    folder = tmp_path / "written"
    params = {"folder": str(folder)} if prefix else {}
    told = run(sample(name), arp_alone(tmp_path), params=params)
    assert not told.printed
    assert told.called("on_new_flow") == told.called("on_flush") == 0
    text = (folder / f"{prefix}.flow-0").read_text() if prefix else ""
    assert not [line for line in text.splitlines() if line.strip()[:1].isdigit() and "UTC" not in line]


def short_sessions(told: Result) -> set[tuple[str, int, str, float]]:
    return {(alert.source_ip, alert.source_port, alert.destination_ip, alert.value) for alert in told.alerts}


def test_ssh_alerts_tells_of_each_short_session_in_two_groups() -> None:
    told = run(sample("ssh_alerts"), DEMO)
    assert short_sessions(told) == {
        (flow["client"], flow["client_port"], flow["server"], flow["bytes"])
        for flow in facts(DEMO.name)["ssh_flows"]
        if flow["bytes"] < 1000
    }
    assert len(told.alerts) == 12
    assert {(alert.group, alert.classification, alert.status) for alert in told.alerts} == {
        ("SSH Alerts", "", ""),
        ("Blacklist", "attack", "FIRE"),
    }
    assert {(alert.type, alert.signature, alert.priority, alert.threshold) for alert in told.alerts} == {
        ("short-ssh", "SSHXFER", 1, 1000)
    }
    assert "SSH session moved only 112 bytes" in {alert.message for alert in told.alerts}
    assert all(alert.flow_id and alert.evidence == [alert.flow_id] for alert in told.alerts)


def test_ssh_alerts_tells_of_large_sessions_once_where_that_is_wanted() -> None:
    told = run(sample("ssh_alerts"), DEMO, params={"when": "above", "limit": 20_000})
    sessions = [flow for flow in facts(DEMO.name)["ssh_flows"] if flow["bytes"] > 20_000]
    assert {alert.source_port for alert in told.alerts} == {flow["client_port"] for flow in sessions}
    assert {alert.type for alert in told.alerts} == {"large-ssh"}
    assert len({alert.id for alert in told.alerts}) == 2 * len(sessions), "the long one is the same alert each time"


@needs_tshark
def test_ssh_alerts_says_nothing_of_sessions_in_which_something_was_done() -> None:
    capture = shared("ssh-guess.pcap")
    sums: dict[str, int] = {}
    for stream, length in tshark(capture, "tcp.port == 22", "tcp.stream", "frame.len"):
        sums[stream] = sums.get(stream, 0) + int(length)
    assert len(sums) == 11
    assert min(sums.values()) >= 1000
    told = run(sample("ssh_alerts"), capture)
    assert told.called("on_flush") >= 11
    assert told.alerts == []
