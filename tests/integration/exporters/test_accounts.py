"""What files, mirror and Prometheus say of themselves, and what `tapline status` says of all, on a real Kafka."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import REGISTRY, CollectorRegistry

from exporters.files.exporter import GROUP as FILES_GROUP
from exporters.files.exporter import FilesExporter
from exporters.files.settings import FilesSettings
from exporters.mirror.exporter import GROUP as MIRROR_GROUP
from exporters.mirror.exporter import MirrorExporter
from exporters.mirror.settings import MirrorSettings
from exporters.prometheus.exporter import PrometheusExporter
from exporters.prometheus.settings import Choice, PrometheusSettings
from exporters.recipients.settings import RecipientsSettings, Webhook
from tapline.commands import cli
from tapline.commands.backlog import Backlog, whole_backlog
from tapline.configuration import Configuration
from tests.integration.exporters.destinations import Counted, running, waiting
from tests.integration.exporters.lab import Lab
from tests.unit.exporters.samples import STREAM, counter, flow
from tests.waiting import wait_for
from topics.catalog import COUNTER, FLOW

BIG = 2**63
"""No column of a file holds it."""


def publish(topics: Lab) -> None:
    """230 flows over both partitions, of which one fits no column; two messages that are none; markers."""
    topics.publish(FLOW, [flow(number) for number in range(100)])
    topics.publish(FLOW, [flow(number) for number in range(100, 200)])
    topics.publish(FLOW, [flow(number) for number in range(200, 229)] + [flow(229, total_source_bytes=BIG)], 1)
    for partition in range(2):
        topics.send(FLOW, b"{", [("schema", b"flow/1")], partition)
        topics.mark(FLOW, partition)
    topics.flush()


def set_back(topics: Lab, group: str) -> None:
    """Have a group read the first partition of flows from its second message on."""
    consumer = Consumer(topics.kafka.client() | {"group.id": f"{topics.kafka.prefix}-{group}"})
    try:
        consumer.commit(offsets=[TopicPartition(FLOW.name(topics.kafka.prefix), 0, 1)], asynchronous=False)
    finally:
        consumer.close()


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def grows(name: str, **labels: str) -> None:
    """Wait until a gauge shows something, and then more."""
    wait_for(lambda: (gauge(name, **labels) or 0) > 0, f"{name} to show something")
    before = gauge(name, **labels) or 0
    wait_for(lambda: (gauge(name, **labels) or 0) > before, f"{name} to grow")


def test_records_read_for_files_are_written_duplicate_or_rejected(topics: Lab, tmp_path: Path) -> None:
    counted = Counted()

    def account() -> dict[str, int]:
        return {
            outcome: counted.of(f"tapline_files_{name}_total", topic="flow")
            for outcome, name in (
                ("read", "records_read"),
                ("written", "records_written"),
                ("duplicate", "records_duplicate"),
                ("rejected", "rejections"),
            )
        }

    publish(topics)
    settings = FilesSettings(folder=str(tmp_path), kinds=["flow"], rotate_seconds=3600.0)
    lag, oldest = "tapline_files_lag_messages", "tapline_files_oldest_unexported_seconds"
    with running(FilesExporter(topics.kafka, settings)):
        wait_for(lambda: gauge(lag, topic="flow", partition="1") == 0, "all to be read")
        grows(oldest, topic="flow")
        assert account()["read"] == 0, "of what is in hand it is not known what becomes of it"
    assert account() == {"read": 232, "written": 229, "duplicate": 0, "rejected": 3}
    assert counted.of("tapline_files_rejections_total", topic="flow", reason="schema") == 1
    assert counted.of("tapline_files_rejections_total", topic="flow", reason="headers") == 2
    assert gauge(oldest, topic="flow") is None, "an exporter that has stopped says nothing"
    assert gauge(lag, topic="flow", partition="1") is None

    set_back(topics, FILES_GROUP)
    topics.publish(FLOW, [flow(300)])
    topics.flush()
    with running(FilesExporter(topics.kafka, msgspec.structs.replace(settings, rotate_seconds=0.3))):
        wait_for(lambda: waiting(topics, FILES_GROUP, FLOW) == 0, "the rest to be in files", seconds=60)
    found = account()
    assert found["read"] == found["written"] + found["duplicate"] + found["rejected"]
    assert (found["written"], found["rejected"]) == (230, 3)
    assert found["duplicate"] == 101, "what is in a file already, or a dead letter, is not written again"


def test_records_read_for_the_mirror_are_mirrored_or_rejected(topics: Lab) -> None:
    counted = Counted()
    publish(topics)
    oldest = "tapline_mirror_oldest_unexported_seconds"
    with running(MirrorExporter(topics.kafka, MirrorSettings(kinds=["flow"]))):
        wait_for(lambda: waiting(topics, MIRROR_GROUP, FLOW) == 0, "everything to be mirrored", seconds=60)
        wait_for(lambda: gauge(oldest, topic="flow") == 0, "nothing to be in hand")
        for partition in ("0", "1"):
            name = "tapline_mirror_lag_messages"
            wait_for(lambda which=partition, name=name: gauge(name, topic="flow", partition=which) == 0, "no lag")
    assert counted.of("tapline_mirror_records_read_total", topic="flow") == 232
    assert counted.of("tapline_mirror_records_total", topic="flow") == 230
    assert counted.of("tapline_mirror_rejections_total", topic="flow") == 2
    assert gauge(oldest, topic="flow") is None


def test_totals_read_for_prometheus_are_values_or_dropped(topics: Lab) -> None:
    counted = Counted()
    topics.publish(COUNTER, [counter(number, bytes=1.0) for number in range(5)])
    topics.publish(COUNTER, [msgspec.structs.replace(counter(9), group="Other")], 1)
    topics.publish(COUNTER, [msgspec.structs.replace(counter(9), stream="another")], 1)
    topics.send(COUNTER, b"{", [("schema", b"metric/1")])
    topics.mark(COUNTER)
    topics.flush()
    settings = PrometheusSettings(counters=[Choice(group="Hosts")], stream=STREAM, stale_seconds=3600)
    with running(PrometheusExporter(topics.kafka, settings, registry=CollectorRegistry())):
        wait_for(lambda: counted.of("tapline_prometheus_records_read_total") == 8, "all to be read")
        wait_for(
            lambda: gauge("tapline_prometheus_lag_messages", topic="counter", partition="1") == 0,
            "the lag to be measured",
        )
        assert gauge("tapline_prometheus_oldest_unexported_seconds", topic="counter") == 0
    assert counted.of("tapline_prometheus_records_total") == 5
    dropped = {
        reason: counted.of("tapline_prometheus_records_dropped_total", reason=reason)
        for reason in ("not-chosen", "stream", "older", "bad")
    }
    assert dropped == {"not-chosen": 1, "stream": 1, "older": 0, "bad": 1}


def test_the_status_says_of_each_exporter_what_waits_and_for_how_long(topics: Lab, tmp_path: Path) -> None:
    configuration = Configuration(
        kafka=topics.kafka,
        files=FilesSettings(folder=str(tmp_path), kinds=["flow"], rotate_seconds=0.3),
        mirror=MirrorSettings(kinds=["flow"]),
        recipients=RecipientsSettings(send_to=[Webhook(name="room", url="http://127.0.0.1:9/")]),
    )
    prefix, flows = topics.kafka.prefix, FLOW.name(topics.kafka.prefix)

    def of(group: str, *, ages: bool = True) -> Backlog | None:
        found = whole_backlog(configuration, ages=ages)
        return next((each for each in found if (each.group, each.topic) == (f"{prefix}-{group}", flows)), None)

    groups: dict[str, Callable[[], FilesExporter | MirrorExporter]] = {
        FILES_GROUP: lambda: FilesExporter(topics.kafka, configuration.files),
        MIRROR_GROUP: lambda: MirrorExporter(topics.kafka, configuration.mirror),
    }
    publish(topics)
    for group, made in groups.items():
        assert of(group) is None, "it has never been at work"
        with running(made()):
            wait_for(lambda group=group: waiting(topics, group, FLOW) == 0, f"{group} to be done", seconds=60)
        assert of(group) == Backlog(f"{prefix}-{group}", flows, 7, 0, begun=True)
    topics.publish(FLOW, [flow(500)])
    topics.publish(FLOW, [flow(501)])
    topics.flush()
    for group in (*groups, "exporter-elasticsearch"):
        found = of(group)
        assert found is not None
        assert found.waiting == (9 if group == "exporter-elasticsearch" else 2)
        before = found.oldest_seconds
        assert before is not None
        wait_for(lambda group=group, before=before: (of(group).oldest_seconds or 0) > before, "it to grow older")
        assert of(group, ages=False).oldest_seconds is None, "it is not looked at where nobody asks"
    whole = whole_backlog(configuration, ages=True)
    first = next(each for each in whole if each.group.endswith("-elasticsearch") and each.topic == flows)
    later = next(each for each in whole if each.group.endswith(MIRROR_GROUP) and each.topic == flows)
    assert (first.oldest_seconds or 0) > (later.oldest_seconds or 0), "the first of them is the oldest"
    assert any("room" in each.group for each in whole)


@pytest.mark.parametrize("waits", [True, False])
def test_the_status_is_a_table_with_the_age_of_the_oldest(topics: Lab, *, waits: bool) -> None:
    if waits:
        topics.publish(FLOW, [flow(1)])
        topics.flush()
    settings = {
        "TAPLINE_CONFIG": "",
        "TAPLINE_KAFKA__BOOTSTRAP": topics.kafka.bootstrap,
        "TAPLINE_KAFKA__PREFIX": topics.kafka.prefix,
        "TAPLINE_ELASTICSEARCH__START_TIMEOUT": "0.1",
        "TAPLINE_ELASTICSEARCH__HOSTS": "['http://127.0.0.1:9']",
    }
    result = CliRunner().invoke(cli, ["status"], env=settings)
    (line,) = [
        line.split()
        for line in result.output.splitlines()
        if line.startswith(f"{topics.kafka.prefix}-exporter-elasticsearch") and FLOW.name(topics.kafka.prefix) in line
    ]
    messages, behind, *oldest = line[2:]
    assert (messages, behind) == (("1", "1") if waits else ("0", "0"))
    assert oldest == ["-"] if not waits else oldest[1] in ("s", "min")
