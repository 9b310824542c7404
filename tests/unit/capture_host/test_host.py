"""The machine itself: what its counters grow by, over restarts of the node and of the machine."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

import msgspec
import psutil
import pytest

from capture.host.growth import grown, shares
from capture.host.memory import CounterMemory
from capture.host.reading import HostCounters
from capture.host.source import HostWatcher
from capture.live_windows import LiveWindows
from capture.open import open_capture
from capture.settings import CaptureSettings, HostSettings
from tests.unit.capture.sinks import KeepingSink
from tests.waiting import wait_for
from topics.errors import TaplineError
from topics.records import Metric


def counters(in_bytes: int, *, boot: str = "one", time: float = 0, name: str = "eth0", busy: float = 0) -> HostCounters:
    return HostCounters(
        boot=boot,
        time=time,
        interfaces={name: {"in_bytes": in_bytes}},
        disks={"sda": {"reads": in_bytes}},
        processors={"user": busy, "idle": time - busy},
    )


def test_what_has_grown() -> None:
    assert grown(counters(100), counters(250)) == ({"eth0": {"in_bytes": 150}}, {"sda": {"reads": 150}})


def test_after_a_restart_of_the_machine_counters_began_at_zero() -> None:
    interfaces, disks = grown(counters(100), counters(250, boot="two"))
    assert (interfaces["eth0"]["in_bytes"], disks["sda"]["reads"]) == (250, 250)


def test_an_interface_that_was_made_anew_began_at_zero() -> None:
    interfaces, _ = grown(counters(100), counters(30))
    assert interfaces == {"eth0": {"in_bytes": 30}}
    interfaces, _ = grown(counters(100), counters(40, name="eth1"))
    assert interfaces == {"eth1": {"in_bytes": 40}}


def test_what_the_processors_did() -> None:
    found = shares(counters(0, time=100, busy=10), counters(0, time=200, busy=85))
    assert (found["cpu_percent"], found["cpu_user_percent"], found["cpu_iowait_percent"]) == (75, 75, 0)
    assert shares(counters(0, time=100), counters(0, time=100)) == {}
    assert shares(counters(0, time=100), counters(0, time=20, boot="two")) == {}


def watch(state: Path | str) -> list[Metric]:
    """What a watcher puts that is stopped at once."""
    observation, (source,) = open_capture(
        "host:", CaptureSettings(node="node", host=HostSettings(state_file=str(state)))
    )
    assert observation.stream == "live"
    sink = KeepingSink()
    thread = threading.Thread(target=source.run, args=(sink,))
    thread.start()
    source.stop()
    thread.join()
    assert sink.counts["readings"] == len(sink.samples)
    return sink.samples


def of(samples: list[Metric], group: str) -> dict[str, Metric]:
    return {sample.key: sample for sample in samples if sample.group == group}


def test_the_host_is_told_in_its_groups() -> None:
    samples = watch("")
    (host,) = of(samples, "Host").values()
    assert host.key == "node"
    assert host.meters["processors"] == psutil.cpu_count()
    assert 0 < host.meters["memory_used"] < host.meters["memory_size"] == psutil.virtual_memory().total
    assert host.kinds["load"] == "gauge"
    interfaces = of(samples, "Host-Interface")
    assert all(key.startswith("node:") for key in interfaces)
    lo = interfaces["node:lo"]
    assert lo.meters["up"] == 1
    for meter in ("in_bytes", "out_packets", "in_errors", "out_drops"):
        assert lo.meters[meter] >= 0
        assert meter not in lo.kinds, "what is counted is added up"
    assert lo.kinds["in_bytes_per_second"] == "average"
    root = of(samples, "Host-Filesystem")
    assert all(sample.meters["used"] <= sample.meters["size"] for sample in root.values())


def test_what_passes_while_the_node_is_not_running_is_counted_once(tmp_path: Path) -> None:
    state = tmp_path / "folder" / "state.json"
    watch(state)
    before = msgspec.json.decode(state.read_bytes(), type=HostCounters)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        taken.bind(("127.0.0.1", 0))
        for _ in range(100):
            sender.sendto(bytes(10_000), taken.getsockname())
    told = [sample for sample in watch(state) if sample.key == "node:lo"]
    after = msgspec.json.decode(state.read_bytes(), type=HostCounters)
    assert sum(sample.meters["in_bytes"] for sample in told) >= 1_000_000
    for meter in ("in_bytes", "out_bytes", "in_packets"):
        assert (
            sum(sample.meters[meter] for sample in told)
            == after.interfaces["lo"][meter] - before.interfaces["lo"][meter]
        )


def test_a_window_is_told_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    _observation, (source,) = open_capture("host:", CaptureSettings(node="node", host=HostSettings(state_file="")))
    assert isinstance(source, HostWatcher)
    sink = KeepingSink()
    made: list[LiveWindows] = []

    class Behind(LiveWindows):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            self.window -= 60
            self.now -= 60_000_000
            made.append(self)

    monkeypatch.setattr("capture.host.source.LiveWindows", Behind)
    thread = threading.Thread(target=source.run, args=(sink,))
    thread.start()
    try:
        wait_for(lambda: sink.advanced, "the end of the window")
    finally:
        source.stop()
        thread.join()
    first = sink.put_all[0]
    assert first.window == sink.advanced[0]
    assert first.record.time == (first.window + 60) * 1_000_000 - 1
    assert sink.put_all[-1].window > first.window, "what came after it is told when it is stopped"


def test_a_state_that_cannot_be_used_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = tmp_path / "state.json"
    broken.write_text("{")
    with caplog.at_level(logging.WARNING, "tapline.capture"):
        assert CounterMemory(str(broken)).load() is None
        memory = CounterMemory(str(broken / "below"))
        memory.keep(counters(1))
        memory.keep(counters(2))
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"cannot read {broken}",
        f"cannot write {broken}/below",
    ]
    memory = CounterMemory(str(broken))
    memory.keep(counters(3))
    kept = memory.load()
    assert kept is not None
    assert kept.interfaces["eth0"]["in_bytes"] == 3


def test_another_host_is_refused() -> None:
    with pytest.raises(TaplineError, match="write host: for the machine this runs on"):
        open_capture("host:server", CaptureSettings())
