"""Flows name the containers of a real Docker daemon, also after it has restarted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capture.containers.settings import DockerSettings
from capture.containers.source import ContainerSampler
from capture.containers.table import LINGER, Container, ContainerTable, described
from capture.containers.usage import Usage, usage, used_since
from capture.enrichment.settings import EnrichmentSettings
from capture.enrichment.source import enriched
from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.source import Sink
from tests.unit.capture.sinks import KeepingSink, ScriptedSource
from tests.unit.capture_containers.engine import IMAGE, Engine, skip_without_docker
from tests.waiting import wait_for
from topics.catalog import FLOW
from topics.errors import TaplineError
from topics.records import Flow

# The SDK leaves a socket that could not be connected to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CONTAINERS = EnrichmentSettings(containers=True)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    skip_without_docker()
    made = Engine(tmp_path_factory.mktemp("docker"))
    try:
        made.start()
        made.import_image()
        yield made
    finally:
        made.stop()


class Asked:
    """A source that tells of a flow whenever it is asked for one."""

    def __init__(self, sink: KeepingSink, enriching: Sink) -> None:
        self._sink = sink
        self._enriching = enriching

    def flow(self, source: str, destination: str = "192.0.2.1") -> Flow:
        self._enriching.put(FLOW, "", Flow(id="1", time=1, source_ip=source, destination_ip=destination), 60)
        return self._sink.flows[-1]


@contextmanager
def capturing(socket: str) -> Iterator[tuple[Asked, KeepingSink]]:
    sink = KeepingSink()
    made: list[Asked] = []
    done = threading.Event()

    def run(enriching: Sink) -> None:
        made.append(Asked(sink, enriching))
        done.wait()

    (source,) = enriched([ScriptedSource("x", run)], CONTAINERS, socket)
    thread = threading.Thread(target=source.run, args=(sink,))
    thread.start()
    try:
        wait_for(lambda: made, "the source")
        yield made[0], sink
    finally:
        done.set()
        thread.join()


def test_flows_name_containers_and_do_so_again_after_the_daemon_restarted(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    before = engine.run("before", tier="front", team="shop")
    with caplog.at_level(logging.WARNING, "tapline.capture"), capturing(engine.socket) as (asked, sink):

        def named(address: str, name: str) -> Callable[[], bool]:
            return lambda: asked.flow(address).source_container == name

        wait_for(named(before, "before"), "the container that ran before")
        flow = asked.flow("192.0.2.9", before)
        assert (flow.destination_container, flow.destination_image) == ("before", IMAGE)
        assert flow.destination_labels == ("team=shop", "tier=front")
        assert (flow.source_container, flow.source_labels) == ("", ())

        later = engine.run("later")
        wait_for(named(later, "later"), "a container that was started")
        engine.remove("later")
        again = engine.run("again")
        wait_for(named(again, "again"), "another container, at the address that has become free")

        engine.stop()
        wait_for(lambda: sink.counts["docker.lost"], "the daemon to be missed")
        assert asked.flow(before).source_container == "before", "what was known stays"
        engine.start()
        wait_for(lambda: sink.counts["docker.read"] == 2, "the containers to be read again")
        afterwards = engine.run("afterwards")
        wait_for(named(afterwards, "afterwards"), "a container that was started after that")
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith(f"no Docker at {engine.socket} (")


def test_what_containers_use_is_sampled(engine: Engine) -> None:
    settings = CaptureSettings(node="node", docker=DockerSettings(socket=engine.socket))
    engine.run("first")
    observation, (source,) = open_capture("docker:", settings)
    assert observation.stream == "live"
    sink = KeepingSink()
    thread = threading.Thread(target=source.run, args=(sink,))
    thread.start()
    try:
        assert isinstance(source, ContainerSampler)
        wait_for(lambda: source._before is not None, "the first reading")
        engine.run("second")
    finally:
        source.stop()
        thread.join()
    assert {sample.group for sample in sink.samples} == {"Container"}
    assert {sample.key for sample in sink.samples} >= {"node:first", "node:second"}
    assert sink.counts["readings"] == len(sink.samples)
    second = [sample for sample in sink.samples if sample.key == "node:second"]
    spent = sum(sample.meters["cpu_seconds"] for sample in second)
    assert spent > 0, "all that it used, since it was started after the first reading"
    for meter in ("memory_used", "processes", "in_bytes", "out_packets", "cpu_percent"):
        assert second[-1].meters[meter] >= 0
    assert second[-1].kinds["memory_used"] == "gauge"
    assert "cpu_seconds" not in second[-1].kinds


def test_what_was_used_since() -> None:
    before = Usage({"cpu_seconds": 5.0, "in_bytes": 100}, {})
    now = Usage({"cpu_seconds": 6.5, "in_bytes": 30}, {})
    assert used_since(before, now) == {"cpu_seconds": 1.5, "in_bytes": 30}, "it was started again: from 0"
    assert used_since(None, now) == now.counters


def test_statistics_of_both_kinds_of_control_groups() -> None:
    second = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"usage": 1000, "limit": 5000, "stats": {"inactive_file": 400}},
        "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 7}, {"op": "Write", "value": 9}]},
        "pids_stats": {"current": 3},
    }
    found = usage(second)
    assert found.counters["cpu_seconds"] == 2.5
    assert (found.counters["in_bytes"], found.counters["out_bytes"], found.counters["in_errors"]) == (11, 22, 0)
    assert (found.counters["read_bytes"], found.counters["write_bytes"]) == (7, 9)
    assert found.gauges == {"memory_used": 600, "memory_limit": 5000, "processes": 3}
    first = usage({"memory_stats": {"usage": 1000, "stats": {"inactive_file": 1, "total_inactive_file": 300}}})
    assert (first.counters, first.gauges) == ({}, {"memory_used": 700})
    assert usage({"networks": None, "blkio_stats": {"io_service_bytes_recursive": None}}) == Usage({}, {})


def test_no_daemon_to_ask_is_told(tmp_path: Path) -> None:
    settings = CaptureSettings(docker=DockerSettings(socket=f"unix://{tmp_path}/none.sock"))
    with pytest.raises(TaplineError, match=r"no Docker at unix://.*/none.sock \(.*\): start it"):
        open_capture("docker:", settings)
    with pytest.raises(TaplineError, match="write docker: and set capture"):
        open_capture("docker:web", settings)


def test_a_daemon_that_is_not_there_is_told_once_and_nothing_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "tapline.capture"),
        capturing(f"unix://{tmp_path}/none.sock") as (asked, sink),
    ):
        assert asked.flow("10.0.0.1").source_container == ""
        wait_for(lambda: sink.counts["docker.lost"] >= 2, "the second look")
    assert len(caplog.records) == 1


def container(identity: str) -> Container:
    return Container(identity, f"name of {identity}", IMAGE)


def test_an_address_stays_that_of_a_container_for_a_while_after_it_has_gone() -> None:
    now = [0.0]
    table = ContainerTable(lambda: now[0])
    table.put(container("a"), frozenset({"10.0.0.1"}))
    table.put(container("b"), frozenset({"10.0.0.2"}))
    table.remove("a")
    now[0] = LINGER - 1
    table.put(container("c"), frozenset({"10.0.0.2"}))
    table.remove("b")
    assert table.find("10.0.0.1") == container("a")
    assert table.find("10.0.0.2") == container("c"), "its new owner has it at once"
    now[0] = 2 * LINGER
    table.remove("unknown")
    assert table.find("10.0.0.1") is None
    assert table.find("10.0.0.2") == container("c")
    assert len(table) == 1


def test_reading_everything_anew_forgets_what_has_gone() -> None:
    now = [0.0]
    table = ContainerTable(lambda: now[0])
    table.replace([(container("a"), frozenset({"10.0.0.1", "2001:db8::1"}))])
    table.replace([(container("a"), frozenset({"10.0.0.1"})), (container("b"), frozenset({"10.0.0.2"}))])
    now[0] = LINGER + 1
    table.replace([(container("b"), frozenset({"10.0.0.2"}))])
    assert table.find("2001:db8::1") is None
    assert table.find("10.0.0.1") == container("a"), "it has only just gone"
    now[0] += LINGER + 1
    table.replace([])
    assert table.find("10.0.0.1") is None
    assert len(table) == 1


def test_a_container_without_a_network_has_no_address() -> None:
    found, addresses = described({"Id": "x", "Name": "/db", "Config": {"Image": "i", "Labels": None}})
    assert (found.name, found.labels, addresses) == ("db", (), frozenset())
    _, addresses = described(
        {"Id": "x", "NetworkSettings": {"Networks": {"host": {"IPAddress": "", "GlobalIPv6Address": None}}}}
    )
    assert addresses == frozenset()
