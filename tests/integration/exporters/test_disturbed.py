"""The exporter disturbed in the middle of a stream: nothing is lost, nothing is there twice."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapline.services.elasticsearch import Elasticsearch
from tapline.services.kafka import Kafka
from tests.integration.engines import engine_folder, engine_settings, running
from tests.integration.exporters.faulty_proxy import FAULTS, faulty_proxy
from tests.integration.exporters.lab import Lab, Outcomes
from tests.unit.exporters.samples import counter, flow
from tests.waiting import wait_for
from topics.catalog import COUNTER, FLOW
from topics.errors import TaplineError

CHUNK = 100


def publish(lab: Lab, first: int, number: int) -> None:
    """Publish so many flows in messages of CHUNK, on both partitions in turn."""
    for start in range(first, first + number, CHUNK):
        lab.publish(FLOW, [flow(each) for each in range(start, start + CHUNK)], partition=start // CHUNK % 2)
    lab.flush()


def check(lab: Lab, number: int) -> None:
    """Each of so many flows is there once, and their bytes add up."""
    assert lab.count(FLOW) == number
    assert lab.total(FLOW, "network.bytes") == sum(21_000 + each for each in range(number))
    assert lab.dead_letters() == []


@pytest.fixture
def own_elasticsearch() -> Iterator[Elasticsearch]:
    """An Elasticsearch to be stopped; started again, it keeps its port."""
    with engine_folder() as folder, running(Elasticsearch(engine_settings(folder))) as engine:
        yield engine


def test_elasticsearch_killed_and_started_again(kafka: str, own_elasticsearch: Elasticsearch) -> None:
    lab = Lab(kafka, own_elasticsearch.address)
    component = lab.health.component("exporter")
    publish(lab, 0, 2000)
    with lab.exporting(lab.with_settings(bulk_documents=500)) as exporter:
        wait_for(lambda: lab.count(FLOW) > 0, "the first documents")
        own_elasticsearch.kill()
        publish(lab, 2000, 2000)
        wait_for(lambda: component.state()["problem"], "the exporter to notice", seconds=90)
        assert component.state()["alive"]
        assert not component.state()["ready"]
        publish(lab, 4000, 1000)
        own_elasticsearch.start()
        own_elasticsearch.wait_ready()
        lab.wait_until_exported(120)
        check(lab, 5000)
        wait_for(lambda: component.state()["ready"], "the exporter to say that all is well")

        # It comes back without data: templates too are put again.
        own_elasticsearch.stop()
        shutil.rmtree(own_elasticsearch.folder / "data")
        publish(lab, 0, CHUNK)
        own_elasticsearch.start()
        own_elasticsearch.wait_ready()
        lab.wait_until_exported(120)
        check(lab, CHUNK)
        (index,) = lab.client.indices.get_mapping(index=lab.stream_name(FLOW)).values()
        assert index["mappings"]["properties"]["source"]["properties"]["ip"] == {"type": "ip"}

        # Asked to leave while nothing can be written, it goes at once and commits nothing.
        own_elasticsearch.stop()
        publish(lab, CHUNK, CHUNK)
        wait_for(lambda: component.state()["problem"], "the exporter to notice again", seconds=90)
        exporter.leave()
    assert lab.waiting() == 1
    with pytest.raises(TaplineError, match="cannot reach Elasticsearch"):
        lab.export(lab.with_settings(start_timeout=0.5))
    lab.stop()


def test_kafka_killed_and_started_again(elasticsearch: str) -> None:
    with engine_folder() as folder, running(Kafka(engine_settings(folder))) as engine:
        lab = Lab(engine.address, elasticsearch)
        publish(lab, 0, 2000)
        with lab.exporting(lab.with_settings(bulk_documents=500)):
            wait_for(lambda: lab.count(FLOW) > 0, "the first documents")
            engine.kill()
            engine.start()
            engine.wait_ready()
            publish(lab, 2000, 2000)
            lab.wait_until_exported(120)
            check(lab, 4000)
        lab.stop()


def test_exporter_killed_and_started_again(lab: Lab, tmp_path: Path) -> None:
    total = 6000
    settings = lab.with_settings(bulk_documents=200, flush_seconds=0.05)
    publish(lab, 0, total)
    for reached in (1, total // 4, total // 2):
        process = lab.start_process(tmp_path, settings)
        try:
            wait_for(lambda: lab.count(FLOW) >= reached, f"{reached} documents", seconds=60)  # noqa: B023
        finally:
            lab.end_process(process, signal.SIGKILL)
    lab.export(settings)
    check(lab, total)


def test_sigterm_finishes_the_request_in_flight(lab: Lab, tmp_path: Path) -> None:
    publish(lab, 0, 4000)
    process = lab.start_process(tmp_path, lab.with_settings(bulk_documents=200))
    try:
        wait_for(lambda: lab.count(FLOW) > 0, "the first documents")
    finally:
        code = lab.end_process(process, signal.SIGTERM)
    assert code == 0, (tmp_path / "exporter.log").read_text()
    outcomes = Outcomes()
    lab.export()
    check(lab, 4000)
    assert outcomes.of(FLOW)["duplicate"] == 0


def test_exporters_that_come_and_go_share_the_work(lab: Lab, tmp_path: Path) -> None:
    settings = lab.with_settings(bulk_documents=200)
    with lab.exporting(settings):
        publish(lab, 0, 2000)
        second = lab.start_process(tmp_path, settings)
        try:
            publish(lab, 2000, 2000)
            wait_for(lambda: lab.count(FLOW) >= 3000, "most documents", seconds=60)
            publish(lab, 4000, 1000)
        finally:
            code = lab.end_process(second)
        assert code == 0, (tmp_path / "exporter.log").read_text()
        lab.wait_until_exported()
    check(lab, 5000)


def test_requests_refused_lost_and_cut_off(lab: Lab, elasticsearch: str) -> None:
    outcomes = Outcomes()
    publish(lab, 0, 2000)
    lab.publish(COUNTER, [counter(number) for number in range(50)])
    with faulty_proxy(elasticsearch, most_documents=150) as (url, befell):
        lab.export(lab.with_settings(hosts=[url], bulk_documents=700))
    assert set(befell) == {*FAULTS, "413"}
    check(lab, 2000)
    assert lab.count(COUNTER) == 50
    for topic, number in ((FLOW, 2000), (COUNTER, 50)):
        found = outcomes.of(topic)
        assert found["read"] == number == found["written"] + found["duplicate"]
        assert found["rejected"] == 0
    # Documents whose confirmation was lost are those that are found to be there already.
    assert outcomes.of(FLOW)["duplicate"] > 0
