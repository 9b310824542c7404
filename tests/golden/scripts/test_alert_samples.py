"""The samples that look at alerts."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from tapline import Flow, SessionMonitor
from tapline.testing import run
from tests.golden.scripts.samples import DEMO, facts, sample, shared


class FakeIds(SessionMonitor):
    """Says of each flow to one port what an intrusion detection system would."""

    l4_proto = "TCP"

    def on_terminate(self, flow: Flow) -> None:
        if flow.destination_port == 22:
            self.alert(
                "ids",
                flow,
                "SSH scan",
                group="{9AFD8C08-07EB-47E0-BF05-28B4A7AE8DC9}",
                signature="1:2001219",
                classification="attempted-recon",
                priority=2,
                status="ALARM",
                attributes={"rev": "20", "gid": "1"},
            )


def test_print_alerts_prints_what_another_script_says_in_the_blacklist_group() -> None:
    told = run([sample("ssh_alerts"), sample("print_alerts")], DEMO)
    in_group = [alert for alert in told.alerts if alert.group == "Blacklist"]
    assert len(in_group) == 6
    assert sorted(told.printed) == sorted(
        f"{alert.time // 1_000_000} {datetime.fromtimestamp(alert.time // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} "
        f"{alert.source_ip}:{alert.source_port} -> {alert.destination_ip}:{alert.destination_port} "
        f"signature=SSHXFER classification=attack priority=1 {alert.message}"
        for alert in in_group
    )
    short = [flow for flow in facts(DEMO.name)["ssh_flows"] if flow["bytes"] < 1000]
    assert {line.split()[3] for line in told.printed} == {f"{flow['client']}:{flow['client_port']}" for flow in short}


def test_print_alerts_prints_nothing_of_other_groups() -> None:
    told = run([FakeIds, sample("print_alerts")], DEMO)
    assert told.alerts
    assert not told.printed
    quiet = run([sample("ssh_alerts"), sample("print_alerts")], shared("ssh-guess.pcap"))
    assert (quiet.alerts, quiet.printed) == ([], [])


def test_print_alerts2_finds_its_group_by_a_pattern_and_prints_all_there_is() -> None:
    told = run([FakeIds, sample("print_alerts2")], DEMO)
    sessions = facts(DEMO.name)["ssh_flows"]
    blocks = [block.split("\n") for block in "\n".join(told.printed).split("-" * 60) if block.strip()]
    assert len(blocks) == len(sessions)
    assert sum(line == "-" * 60 for line in told.printed) == 2 * len(sessions)
    found = [dict(re.split(r" +", line, maxsplit=1) for line in block if line) for block in blocks]
    assert {block["source"] for block in found} == {f"{flow['client']}:{flow['client_port']}" for flow in sessions}
    for block in found:
        time, date, clock = block.pop("time").split()
        assert datetime.fromisoformat(f"{date}T{clock}+00:00").timestamp() == int(time)
        del block["source"], block["destination"]
        assert block == {
            "signature": "1:2001219",
            "classification": "attempted-recon",
            "priority": "2",
            "message": "SSH scan",
            "attributes": "gid=1, rev=20",
            "status": "ALARM",
            "action": "store",
        }


def test_print_alerts2_prints_nothing_of_other_groups() -> None:
    told = run([sample("ssh_alerts"), sample("print_alerts2")], DEMO)
    assert told.alerts
    assert not told.printed
