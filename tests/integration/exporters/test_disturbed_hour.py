"""An hour of traffic exported while everything goes wrong that can: each document is there once, or a dead letter.

The hour is event time. Each disturbance lasts until the exporter has met it, and is then mended; what is published
meanwhile has to wait.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from tapline.services.elasticsearch import Elasticsearch
from tests.integration.engines import engine_folder, engine_settings, running
from tests.integration.exporters.bad_network import BadNetwork, Fault, bad_network
from tests.integration.exporters.lab import Lab
from tests.integration.exporters.traffic import Traffic
from tests.waiting import wait_for
from topics.catalog import FLOW

WINDOWS = 60
TIMEOUT = 3.0
PATIENCE = 300.0
"""Seconds: what is waited for comes soon, except on a machine that has much else to do."""

BLOCK = "cluster_block_exception"
FLOODED = "index.blocks.read_only_allow_delete"


class Cramped(Elasticsearch):
    """A server with so little room for requests that it often has too many (429)."""

    def _configure(self, folder: Path, home: Path, ports: Mapping[str, int]) -> None:
        super()._configure(folder, home, ports)
        file = folder / "config" / "elasticsearch.yml"
        settings = json.loads(file.read_text(encoding="utf-8"))
        settings |= {"thread_pool.write.queue_size": 1, "indexing_pressure.memory.limit": "512kb"}
        file.write_text(json.dumps(settings), encoding="utf-8")


def retries(reason: str) -> float:
    return REGISTRY.get_sample_value("tapline_exporter_retries_total", {"reason": reason}) or 0.0


def retried(reason: str) -> Callable[[], bool]:
    """Whether anything was sent again for this reason after this call."""
    before = retries(reason)
    return lambda: retries(reason) > before


@contextmanager
def read_only(lab: Lab) -> Iterator[None]:
    """No flows are taken."""
    lab.client.indices.put_settings(index=lab.stream_name(FLOW), settings={"index.blocks.read_only": True})
    try:
        yield
    finally:
        lab.client.indices.put_settings(index=lab.stream_name(FLOW), settings={"index.blocks.read_only": None})


@contextmanager
def full_disk(lab: Lab) -> Iterator[None]:
    """The server finds that its disk has less room than it should have, and closes all indices for writing."""
    watermark = "cluster.routing.allocation.disk.watermark"
    absurd = {f"{watermark}.low": "30000tb", f"{watermark}.high": "20000tb", f"{watermark}.flood_stage": "10000tb"}

    def is_flooded() -> bool:
        found = lab.client.indices.get_settings(index=lab.stream_name(FLOW), flat_settings=True)
        return any(each["settings"].get(FLOODED) == "true" for each in found.values())

    lab.client.cluster.put_settings(persistent={**absurd, "cluster.info.update.interval": "10s"})
    try:
        wait_for(is_flooded, "the server to notice its disk", seconds=PATIENCE)
        yield
    finally:
        lab.client.cluster.put_settings(persistent=dict.fromkeys(absurd))
    wait_for(lambda: not is_flooded(), "the server to open its indices again", seconds=PATIENCE)


def meet(network: BadNetwork, fault: Fault, traffic: Traffic) -> None:
    """Publish until the network has done this to the exporter some times; then it is well again."""
    before = network.befell[fault]
    network.fault = fault
    while network.befell[fault] < before + 5:
        traffic.publish(1)
        wait_for(
            lambda: network.befell[fault] >= before + 5 or traffic.lab.waiting() == 0,
            f"the network to {fault} or the exporter to be done",
            seconds=PATIENCE,
            every=0.1,
        )
    network.fault = ""


def test_some_windows_over_a_bad_network_into_an_index_that_is_read_only(lab: Lab, elasticsearch: str) -> None:
    traffic = Traffic(lab, flows=500)
    with bad_network(elasticsearch) as network, lab.exporting(lab.with_settings(hosts=[network.url])):
        traffic.publish(2)
        lab.wait_until_exported()
        is_blocked = retried(BLOCK)
        with read_only(lab):
            traffic.publish(2)
            wait_for(is_blocked, "documents to be refused")
        for fault in ("down", "drop", "delay", "truncate"):
            meet(network, fault, traffic)
        lab.wait_until_exported(PATIENCE)
        traffic.check()


@pytest.mark.kill
def test_an_hour_in_which_everything_goes_wrong(kafka: str) -> None:
    with (
        engine_folder() as folder,
        running(Cramped(engine_settings(folder))) as server,
        bad_network(server.address) as network,
    ):
        lab = Lab(kafka, server.address)
        try:
            hour(lab, server, network)
        finally:
            lab.stop()


def hour(lab: Lab, server: Elasticsearch, network: BadNetwork) -> None:
    traffic = Traffic(lab, flows=2000)
    component = lab.health.component("exporter")

    def is_met() -> bool:
        return bool(component.state()["problem"])

    def serve_again() -> None:
        server.start()
        server.wait_ready()
        lab.wait_until_exported(PATIENCE)

    traffic.publish(6)
    is_too_much, is_blocked = retried("429"), retried(BLOCK)
    with lab.exporting(lab.with_settings(hosts=[network.url], timeout=TIMEOUT)):
        wait_for(is_too_much, "the server to have too much to do", seconds=PATIENCE)
        wait_for(lambda: lab.count(FLOW) > 0, "the first documents", seconds=PATIENCE)

        server.kill()
        traffic.publish(6)
        wait_for(is_met, "the exporter to miss the server", seconds=PATIENCE)
        serve_again()

        server.stop()
        traffic.publish(6)
        wait_for(is_met, "the exporter to miss the server again", seconds=PATIENCE)
        serve_again()

        with read_only(lab):
            traffic.publish(6)
            wait_for(is_blocked, "documents to be refused", seconds=PATIENCE)

        is_blocked = retried(BLOCK)
        with full_disk(lab):
            traffic.publish(6)
            wait_for(is_blocked, "documents to be refused again", seconds=PATIENCE)

        is_late = retried("timeout")
        for fault in ("down", "drop", "delay", "stall", "truncate"):
            meet(network, fault, traffic)
        wait_for(is_late, "answers to be too late", seconds=PATIENCE)

        # While the rest comes, the server is killed once more.
        traffic.publish(max(1, (WINDOWS - traffic.windows) // 2))
        server.kill()
        traffic.publish(max(1, WINDOWS - traffic.windows))
        serve_again()
        assert traffic.windows >= WINDOWS
        traffic.check()
