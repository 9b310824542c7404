"""The samples that poll a device, against a real snmpd."""

from __future__ import annotations

import logging
from pathlib import Path
from textwrap import dedent

import pytest

from scripts.samples.snmp_cg import SNMP_INTERFACE
from tapline.testing import Result, run
from tests.golden.scripts.agent import IN_OCTETS, OUT_OCTETS, agent, free_port, missing
from tests.golden.scripts.samples import DEMO, facts, sample
from topics.records import Flow

pytestmark = pytest.mark.skipif(missing, reason="snmpd and snmpget are not installed")

FIRST = 1_700_000_040


def flows(windows: int) -> list[Flow]:
    """A flow in each of some windows in a row."""
    times = [(FIRST + 60 * window) * 1_000_000 for window in range(windows)]
    return [Flow(id=str(time), flow_id="1", time=time, community_id="1:x") for time in times]


def rates(told: Result) -> dict[int, dict[str, float]]:
    return {
        (metric.window - FIRST) // 60: metric.meters for metric in told.counters if metric.group == "SNMP-Interface"
    }


def test_the_agent_is_read_once_a_window_and_its_interfaces_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    windows = len(facts(DEMO.name)["windows"])
    with agent(tmp_path) as snmpd, caplog.at_level(logging.DEBUG, "tapline.scripts.snmp"):
        before = snmpd.get(IN_OCTETS, OUT_OCTETS)
        told = run(sample("snmp"), DEMO, params=snmpd.params, partitions=2)
        after = snmpd.get(IN_OCTETS, OUT_OCTETS)
    assert not told.errors
    assert not told.alerts
    assert told.called("on_begin_flush") == windows
    read = [record.getMessage().split() for record in caplog.records if record.name == "tapline.scripts.snmp"]
    assert len(read) == windows, "one agent, one interface: one reading a window over all partitions"
    for key, _, received, _, sent in read:
        assert key == "127.0.0.1:1"
        assert before[0] <= int(received) <= after[0]
        assert before[1] <= int(sent) <= after[1]
    assert {metric.key for metric in told.counters} == {"127.0.0.1:1"}, "interface 99 is not there"
    (label,) = told.annotations
    assert (label.kind, label.group, label.key, label.value) == (
        "label",
        "SNMP-Interface",
        "127.0.0.1:1",
        "127.0.0.1 lo",
    )


def test_readings_become_rates_over_wraps_and_new_beginnings(tmp_path: Path) -> None:
    shown = [(1000, 100), (61_000, 700), (2**64 - 6000, 2**40), (54_000, 2**40 + 120), (600, 1200), (600, 1200)]
    folder = tmp_path / "agent"
    folder.mkdir()
    feeder = tmp_path / "feeder.py"
    feeder.write_text(
        dedent(
            f"""
            from pathlib import Path
            from tapline import EngineMonitor
            from tests.golden.scripts.agent import show
            class Feeder(EngineMonitor):
                def on_begin_flush(self, window):
                    show(Path({str(folder)!r}), *{shown!r}[(window - {FIRST}) // 60])
            """
        )
    )
    with agent(folder, readings=True) as snmpd:
        told = run([feeder, sample("snmp")], records=flows(len(shown)), params=snmpd.params)
    assert not told.errors
    found = rates(told)
    assert 0 not in found, "one reading alone is no rate"
    assert found[1] == {"received": 1000, "sent": 10, "total": 1010}
    assert found[2]["sent"] == (2**40 - 700) / 60
    assert found[3]["received"] == 1000, "6000 to the end of 64 bits, and 54,000 from there"
    assert found[3]["sent"] == 2
    assert found[4] == {"received": 10, "sent": 20, "total": 30}, "the device began anew"
    assert found[5] == {"received": 0, "sent": 0, "total": 0}


def test_the_group_is_found_by_its_guid_and_a_definition_alone_is_a_script(tmp_path: Path) -> None:
    watcher = tmp_path / "watcher.py"
    watcher.write_text(
        dedent(
            """
            from tapline import CounterMonitor, EngineMonitor
            class Watch(CounterMonitor):
                group = "{9781db2c-f78a-4f7f-a7e8-2b1a9a7be71a}"
                def on_flush(self, counter):
                    print(counter.group, counter.key, counter.meters["received"])
            class Feed(EngineMonitor):
                def on_begin_flush(self, window):
                    self.count("{9781db2c-f78a-4f7f-a7e8-2b1a9a7be71a}", "switch:7", received=window * 5)
            """
        )
    )
    told = run([sample("snmp_cg"), watcher], records=flows(2))
    assert told.printed == ["SNMP-Interface switch:7 5.0"]
    assert {meter.kind for meter in SNMP_INTERFACE.meters} == {"delta_rate"}
    assert {meter.top for meter in SNMP_INTERFACE.meters} == {20}
    alone = run(watcher, records=flows(2))
    assert len(alone.printed) == 2, "without the definition the readings are not known to be readings"


def test_a_device_that_does_not_answer_is_alerted_on_once() -> None:
    params = {"port": free_port(), "timeout": 0.1, "interfaces": [1]}
    told = run(sample("snmp"), records=flows(3), params=params)
    assert not told.errors
    assert not told.counters
    (alert,) = told.alerts
    assert (alert.type, alert.group) == ("snmp-silent", "System")
    assert alert.message.startswith("127.0.0.1 does not answer: ")


def test_a_wrong_community_is_a_device_that_does_not_answer(tmp_path: Path) -> None:
    with agent(tmp_path) as snmpd:
        told = run(sample("snmp"), records=flows(1), params=snmpd.params | {"community": "other", "timeout": 0.1})
    assert [alert.type for alert in told.alerts] == ["snmp-silent"]
    assert not told.counters
