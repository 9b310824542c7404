"""Devices that are asked: a real snmpd, and some that do not answer."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.snmp.settings import SnmpDevice, SnmpSettings
from tests.golden.scripts.agent import Agent, agent, missing
from tests.unit.capture_snmp.made import running
from tests.waiting import wait_for
from topics.errors import TaplineError

with_snmpd = pytest.mark.skipif(missing, reason="snmpd and snmpget are not installed (apt install snmpd snmp)")

USERS = (
    "createUser alice SHA-256 authentication AES encryption",
    "rouser alice priv",
    "createUser bob SHA authentication",
    "rouser bob auth",
)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("COMMUNITY", "tests"),
        ("AUTH", "authentication"),
        ("PRIV", "encryption"),
        ("OTHER", "something else"),
    ):
        monkeypatch.setenv(f"SNMP_{name}", value)


def ask(snmpd: Agent, **more: object) -> SnmpDevice:
    fields: dict[str, object] = {"address": "127.0.0.1", "port": snmpd.port, "interval": 1}
    if more.get("version") != "v3":
        fields["community"] = "env:SNMP_COMMUNITY"
    return SnmpDevice(**(fields | more))  # type: ignore[arg-type]


def user(name: str, *, privacy: bool) -> dict[str, str]:
    given = {"version": "v3", "user": name, "authentication_password": "env:SNMP_AUTH"}
    given |= {"authentication": "sha256" if privacy else "sha1"}
    return given | ({"privacy": "aes128", "privacy_password": "env:SNMP_PRIV"} if privacy else {})


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of somebody who takes what comes and says nothing, at 127.0.0.2."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.2", 0))
        yield taken.getsockname()[1]


@with_snmpd
@pytest.mark.parametrize(
    "credentials",
    [{"version": "v1"}, {"version": "v2c"}, user("alice", privacy=True), user("bob", privacy=False)],
    ids=["v1", "v2c", "v3-privacy", "v3"],
)
def test_interfaces_become_samples(tmp_path: Path, credentials: dict[str, str]) -> None:
    with agent(tmp_path, more=USERS) as snmpd:
        settings = SnmpSettings(devices=[ask(snmpd, **credentials)])
        with running("snmp:", settings) as (_, put):
            wait_for(lambda: put.sink.counts["answers"] >= 2, "the second answer")
        name = socket.gethostname()
    device = put.samples("SNMP-Device", "127.0.0.1")[-1]
    assert (device.meters["answers"], device.meters["failures"]) == (1, 0)
    assert device.meters["uptime"] > 0
    assert put.labels["127.0.0.1:1"] == f"{name} lo"
    assert put.labels["127.0.0.1"] == name
    first, *others = put.samples("SNMP-Interface", "127.0.0.1:1")
    assert first.meters["oper_status"] == 1
    assert "in_bytes" not in first.meters, "one reading alone says nothing of a minute"
    counted = ("in_bytes", "in_packets", "in_errors", "in_discards")
    for meter in (*counted, *(meter.replace("in_", "out_") for meter in counted), "in_bytes_per_second"):
        assert others[0].meters[meter] >= 0
    assert others[0].kinds["in_bytes_per_second"] == "average"
    assert len({sample.id for sample in put.sink.samples}) == len(put.sink.samples)


@with_snmpd
def test_what_an_interface_carried_is_in_the_samples(tmp_path: Path, silent: int) -> None:
    with agent(tmp_path) as snmpd, running("snmp:", SnmpSettings(devices=[ask(snmpd)])) as (_, put):
        wait_for(lambda: put.sink.counts["answers"], "the first answer")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(100):
                sender.sendto(bytes(10_000), ("127.0.0.2", silent))

        def carried(meter: str) -> float:
            return sum(sample.meters.get(meter, 0) for sample in put.samples("SNMP-Interface", "127.0.0.1:1"))

        wait_for(lambda: carried("in_bytes") >= 1_000_000 and carried("in_packets") >= 100, "what was sent")


@with_snmpd
def test_a_restart_is_seen_and_nothing_is_made_up_of_it(tmp_path: Path) -> None:
    with agent(tmp_path) as snmpd:
        settings = SnmpSettings(timeout=0.5, retries=0, devices=[ask(snmpd)])
        with running("snmp:", settings) as (_, put):
            wait_for(
                lambda: any(sample.meters.get("uptime", 0) > 3 for sample in put.samples("SNMP-Device")),
                "the device to have been up for a while",
            )
            snmpd.stop()
            wait_for(lambda: put.counted("failures."), "no answer")
            with agent(tmp_path, port=snmpd.port):
                wait_for(lambda: put.sink.counts["restarts"], "the restart")
    unknown = [sample for sample in put.samples("SNMP-Interface", "127.0.0.1:1") if "in_bytes" not in sample.meters]
    assert len(unknown) == 1 + put.sink.counts["restarts"], "nothing is known of the first reading and after a restart"


@with_snmpd
def test_who_does_not_answer_is_told_once_and_keeps_nobody_waiting(
    tmp_path: Path, silent: int, caplog: pytest.LogCaptureFixture
) -> None:
    with agent(tmp_path, others=["127.0.0.3", "127.0.0.4"], more=USERS) as snmpd:
        devices = [
            ask(snmpd, address="127.0.0.2", port=silent),
            ask(snmpd, address="127.0.0.3", community="env:SNMP_OTHER"),
            ask(
                snmpd,
                address="127.0.0.4",
                **(user("alice", privacy=True) | {"authentication_password": "env:SNMP_OTHER"}),
            ),
            ask(snmpd),
        ]
        settings = SnmpSettings(devices=devices, timeout=1, retries=1, concurrency=12)
        with caplog.at_level(logging.INFO, "tapline.capture"), running("snmp:", settings) as (_, put):
            wait_for(
                lambda: all(len(put.samples("SNMP-Device", device.address)) >= 2 for device in devices),
                "every device to have been asked twice",
            )
    told = [record.getMessage().split(": ")[:2] for record in caplog.records if record.levelno == logging.WARNING]
    for problem in (["127.0.0.2", "timeout"], ["127.0.0.3", "timeout"], ["127.0.0.4", "authentication"]):
        assert told.count(problem) == 1
    assert put.counted("failures.").keys() == {"timeout", "authentication"}
    for device in devices:
        answers = {sample.meters["answers"] for sample in put.samples("SNMP-Device", device.address)}
        assert (1 in answers) == (device.address == "127.0.0.1")
    assert {sample.key.partition(":")[0] for sample in put.samples("SNMP-Interface")} == {"127.0.0.1"}


@with_snmpd
def test_many_that_never_answer_do_not_hold_up_one_that_does(tmp_path: Path) -> None:
    with agent(tmp_path) as snmpd, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        silent = [ask(snmpd, address=f"127.9.0.{number}", port=taken.getsockname()[1]) for number in range(1, 21)]
        # Nobody stops waiting for a silent one before the answers have to be there.
        settings = SnmpSettings(devices=[ask(snmpd), *silent], timeout=60, retries=0, concurrency=4)
        with running("snmp:", settings) as (_, put):
            wait_for(lambda: put.sink.counts["answers"] >= 3, "the third answer")


def test_a_question_that_does_not_heed_its_end_does_not_hold_up_the_stop(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heeded: list[int] = []

    async def stubborn(_: object) -> None:
        for number in range(2):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                heeded.append(number)
        await asyncio.sleep(3600)

    monkeypatch.setattr("capture.snmp.source.read_device", stubborn)
    device = SnmpDevice(address="127.0.0.2", port=silent, community="env:SNMP_COMMUNITY")
    with running("snmp:", SnmpSettings(devices=[device])) as (_, put):
        wait_for(lambda: put.sink.counts["polls"], "the question")
    assert heeded == [0, 1]


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        ({"address": "switch"}, r"capture.snmp.devices\[0\].address: 'switch' is no IP address"),
        ({}, r"capture.snmp.devices\[0\].community is not set"),
        ({"community": "public"}, r"community: secrets do not stand in the configuration: write env:NAME"),
        ({"community": "env:SNMP_NONE"}, "the environment has no SNMP_NONE"),
        ({"community": "file:/nowhere/community"}, "cannot read /nowhere/community: No such file"),
        ({"version": "v3"}, r"devices\[0\].user is not set"),
        ({"version": "v3", "user": "a", "privacy": "aes128"}, "authentication is not set: privacy needs it"),
        (
            {"version": "v3", "user": "a", "authentication": "sha256", "authentication_password": "env:SNMP_SHORT"},
            "has fewer than 8 characters",
        ),
    ],
)
def test_a_wrong_entry_is_told(device: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNMP_SHORT", "short")
    settings = SnmpSettings(devices=[SnmpDevice(**({"address": "192.0.2.1"} | device))])  # type: ignore[arg-type]
    with pytest.raises(TaplineError, match=problem):
        open_capture("snmp:", CaptureSettings(snmp=settings))


def test_nothing_to_ask_and_the_same_twice_are_told(tmp_path: Path) -> None:
    with pytest.raises(TaplineError, match=r"capture.snmp.devices is empty"):
        open_capture("snmp:", CaptureSettings())
    with pytest.raises(TaplineError, match="write snmp: and put devices into"):
        open_capture("snmp:192.0.2.1", CaptureSettings())
    (tmp_path / "community").write_text("public\n")
    twice = [
        SnmpDevice(address=address, community=f"file:{tmp_path}/community")
        for address in ("2001:db8::1", "2001:db8:0::1")
    ]
    with pytest.raises(TaplineError, match=r"devices\[1\] is 2001:db8:0::1, as \[0\] is"):
        open_capture("snmp:", CaptureSettings(snmp=SnmpSettings(devices=twice)))
