"""Suricata, started and read: what it tells, and what is said where it cannot."""

from __future__ import annotations

import os
import stat
import threading
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from capture.open import deep_engine, open_capture
from capture.settings import CaptureSettings, SuricataSettings
from capture.source import CutShort, observe_live
from capture.suricata.program import OLDEST, find_suricata
from capture.suricata.source import SuricataSource
from tests.namespaces import cable, ip, needs_networks, own_network, sending
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture_tshark.conversations import dns_over_udp
from tests.waiting import wait_for
from topics.errors import TaplineError
from topics.records import Alert, Document, Flow, Resource

DEMO = Path(__file__).parents[3] / "tapline" / "demo" / "demo.pcap"
_program = find_suricata()
real = pytest.mark.skipif(
    _program is None or _program.major < OLDEST,
    reason="Suricata 7 is not installed (Debian 12: apt install -t bookworm-backports suricata)",
)

ALONE = CaptureSettings(node="node", flows="suricata")


def read(path: Path, settings: CaptureSettings = ALONE) -> KeepingSink:
    _, sources = open_capture(str(path), settings)
    # One source of a file is run after the other, each into a sink of its own, as their windows are their own.
    sink = KeepingSink()
    for source in sources:
        sink.advanced.clear()
        source.run(sink)
    return sink


@pytest.fixture
def pretending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found in place of Suricata; what it does after it was asked for its version is yet to write."""
    program = tmp_path / "bin" / "suricata"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def does(program: Path, script: str, version: str = "7.0.10") -> None:
    version_line = f'if [ "$1" = -V ]; then echo "This is Suricata version {version} RELEASE"; exit; fi\n'
    program.write_text(f"#!/bin/sh\n{version_line}{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_without_suricata_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: None)
    with pytest.raises(TaplineError, match="Suricata is not installed: install Suricata 7"):
        open_capture(str(DEMO), ALONE)
    assert not list(tmp_path.iterdir())


def test_an_old_suricata_is_refused(pretending: Path) -> None:
    does(pretending, "", version="6.0.10")
    with pytest.raises(TaplineError, match=r"is version 6\.0\.10, and 7 is needed"):
        open_capture(str(DEMO), CaptureSettings(engine="suricata"))


@pytest.mark.parametrize(("version", "engine"), [("7.0.10", "suricata"), ("8.0.0", "suricata"), ("6.0.10", "tshark")])
def test_which_engine_is_chosen(pretending: Path, version: str, engine: str) -> None:
    does(pretending, "", version=version)
    assert deep_engine(CaptureSettings()) == engine
    assert deep_engine(CaptureSettings(depth="light")) == ""
    assert deep_engine(CaptureSettings(engine="tshark")) == "tshark"
    assert deep_engine(CaptureSettings(flows="suricata")) == "suricata"


def test_one_that_is_killed_in_the_middle_of_a_file_is_told(pretending: Path) -> None:
    does(pretending, "kill -9 $$")
    with pytest.raises(TaplineError, match=r"did not read demo\.pcap to its end: it was ended by signal 9: try again"):
        read(DEMO)


def test_one_that_fails_is_quoted(pretending: Path) -> None:
    does(pretending, "echo 'Error: pcap: no memory' >&2; exit 1")
    with pytest.raises(TaplineError, match=r"did not read demo\.pcap to its end: pcap: no memory: try again"):
        read(DEMO)


def test_nothing_is_put_of_a_file_that_is_stopped(pretending: Path) -> None:
    does(pretending, "exec sleep 600")
    _, (source,) = open_capture(str(DEMO), ALONE)
    sink = KeepingSink()
    thread = threading.Thread(target=source.run, args=(sink,))
    thread.start()
    source.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert not sink.put_all


def test_rules_that_are_not_there_are_told(tmp_path: Path, pretending: Path) -> None:
    does(pretending, "")
    settings = CaptureSettings(flows="suricata", suricata=SuricataSettings(rules=str(tmp_path / "none")))
    with pytest.raises(TaplineError, match=r"capture\.suricata\.rules: .* is no folder"):
        read(DEMO, settings)


@real
def test_two_readings_make_the_same_records() -> None:
    first, second = read(DEMO), read(DEMO)
    assert first.put_all == second.put_all
    assert first.counts == second.counts
    assert len({put.record.id for put in first.put_all}) == len(first.put_all)
    assert {type(put.record) for put in first.put_all} == {Flow, Resource, Document}
    assert first.counts["packets"] == sum(flow.total_packets for flow in first.flows) + first.counts["ignored.no-flow"]


@real
def test_alerts_name_the_flows_of_the_other_engine(tmp_path: Path) -> None:
    (tmp_path / "own.rules").write_text('alert http any any -> any any (msg:"http"; flow:to_server; sid:1;)\n')
    settings = CaptureSettings(
        node="node", engine="suricata", suricata=SuricataSettings(rules=str(tmp_path), home_networks=[])
    )
    sink = read(DEMO, settings)
    alerts = [put.record for put in sink.put_all if isinstance(put.record, Alert)]
    flows = {flow.flow_id: flow for flow in sink.flows}
    assert alerts
    for alert in alerts:
        assert alert.message == "http"
        assert flows[alert.flow_id].community_id == alert.community_id


WRONG_RULES = (
    'alert http any any -> any any (msg:"keyword"; http.nonsense; content:"x"; sid:2;)',
    'alert tcp any any -> any 99999 (msg:"port"; sid:3;)',
    'alert tcp any any -> any any (msg:"pcre"; pcre:"/(/"; sid:4;)',
    *(f"gibberish {number}" for number in range(100)),
)


@real
def test_each_rule_that_is_left_out_is_told_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "own.rules").write_text("\n".join(WRONG_RULES) + "\n")
    settings = CaptureSettings(node="node", engine="suricata", suricata=SuricataSettings(rules=str(tmp_path)))
    sink = read(DEMO, settings)
    assert sink.counts["refused.rule"] == len(WRONG_RULES)
    told = [record.getMessage() for record in caplog.records if "a rule is left out" in record.getMessage()]
    assert len(told) == len(WRONG_RULES)
    assert f"{tmp_path}/own.rules:1: unknown rule keyword 'http.nonsense'" in told[0]
    assert sink.counts["no-rules"] == 1
    assert f"capture.suricata.rules: {tmp_path} holds no rule that is used" in caplog.text


@real
def test_a_folder_without_rules_is_told_of(tmp_path: Path) -> None:
    sink = read(DEMO, CaptureSettings(node="node", engine="suricata", suricata=SuricataSettings(rules=str(tmp_path))))
    assert (sink.counts["no-rules"], sink.counts["refused.rule"]) == (1, 0)
    assert sink.flows


@real
@needs_networks
def test_a_rule_that_is_left_out_is_told_while_an_interface_is_captured(tmp_path: Path) -> None:
    (tmp_path / "own.rules").write_text(WRONG_RULES[0] + "\n")
    settings = CaptureSettings(suricata=SuricataSettings(rules=str(tmp_path)))
    sink = KeepingSink()
    with own_network():
        cable("here", "there")
        source = SuricataSource(observe_live("node", "here", 1), "here", settings, flows=False, deep=True)
        thread = threading.Thread(target=source.run, args=(sink,))
        thread.start()
        try:
            wait_for(lambda: sink.counts["refused.rule"], "the rule", seconds=60)
            assert thread.is_alive()
        finally:
            source.stop()
            thread.join()
    assert sink.counts["refused.rule"] == 1


@real
def test_flows_come_once_from_either_engine() -> None:
    beside = read(DEMO, CaptureSettings(node="node", engine="suricata"))
    alone = read(DEMO)
    # Suricata counts an ICMP error in the flow that it quotes.
    seen = [{flow.community_id for flow in sink.flows if flow.transport != "icmp"} for sink in (beside, alone)]
    assert seen[0] == seen[1]
    resources = [[put.record for put in sink.put_all if isinstance(put.record, Resource)] for sink in (beside, alone)]
    assert resources[0] == resources[1]


@real
def test_a_file_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(DEMO.read_bytes()[:100_000])
    sink = KeepingSink()
    _, (source,) = open_capture(str(path), ALONE)
    with pytest.raises(CutShort, match=r"cut\.pcap is damaged or ends early: truncated dump file"):
        source.run(sink)
    assert sink.flows


@real
def test_a_stream_is_read_as_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(DEMO.read_bytes()))
    writer.start()
    sink = read(pipe)
    writer.join()
    whole = read(DEMO)
    assert Counter(flow.community_id for flow in sink.flows) == Counter(flow.community_id for flow in whole.flows)
    assert sink.counts["packets"] == whole.counts["packets"]


@real
def test_a_file_without_packets_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(DEMO.read_bytes()[:24])
    assert not read(path).put_all


@real
def test_what_suricata_refuses_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "usb.pcap"
    head, packet = DEMO.read_bytes()[:20], DEMO.read_bytes()[24:200]
    path.write_bytes(head + (220).to_bytes(4, "little") + packet)
    with pytest.raises(TaplineError, match=r"Suricata cannot read usb\.pcap: .*: --engine tshark may read it"):
        read(path)


@real
@needs_networks
@pytest.mark.parametrize("alone", [False, True], ids=["beside-the-flow-engine", "alone"])
def test_an_interface_that_is_removed_is_seen_again_when_it_is_back(*, alone: bool) -> None:
    sink, errors = KeepingSink(), []

    def is_told_of(up: int) -> bool:
        """Beside it the flow engine tells whether the interface is there."""
        return not alone or REGISTRY.get_sample_value("tapline_capture_interface_up", {"interface": "here"}) == up

    def run() -> None:
        try:
            source.run(sink)
        except TaplineError as error:
            errors.append(error)

    def asked(name: str) -> bool:
        with sending("there") as sender:
            sender.send(dns_over_udp(name).data)
        resources = [put.record for put in sink.put_all if isinstance(put.record, Resource)]
        return bool(errors) or any(resource.uri == name for resource in resources)

    with own_network():
        cable("here", "there")
        source = SuricataSource(observe_live("node", "here", 1), "here", CaptureSettings(), flows=alone, deep=True)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait_for(lambda: asked("before.example"), "a query before", seconds=60, every=0.3)
            ip("link", "del", "here")
            wait_for(lambda: is_told_of(0), "the interface to be away")
            cable("here", "there")
            wait_for(lambda: asked("after.example"), "a query after", seconds=60, every=0.3)
            wait_for(lambda: is_told_of(1), "the interface to be back")
        finally:
            source.stop()
            thread.join()
    assert not errors
    assert sink.counts["interface_losses"] == alone
