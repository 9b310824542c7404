"""Dead letters of the exporter from one end to the other, and its counters, against real Kafka and Elasticsearch."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from exporters.elasticsearch import documents
from exporters.elasticsearch.exporter import Exporter
from exporters.elasticsearch.reading import Place
from tapline.commands import dead_letter_changes as changes
from tapline.commands.dead_letter_choice import Choice
from tests.integration.exporters.lab import Lab, Outcomes
from tests.unit.exporters.samples import STREAM, WINDOW, flow
from tests.waiting import wait_for
from topics.catalog import DEAD, FLOW
from topics.codec import Envelope, encode
from topics.dead_letters import EXPORTER, WORKER
from topics.dead_log import read_standings


class Unfinished(Exporter):
    """An exporter that is lost between writing and committing."""

    def _commit(self, offsets: dict[Place, int], *, wait: bool = False) -> None:  # noqa: ARG002 - as the base class
        offsets.clear()


def retry(lab: Lab, choice: Choice | None = None) -> changes.Done:
    return changes.retry(lab.kafka, (), choice or Choice(), "ada", "mapping mended", dry_run=False)


def break_mapping(lab: Lab) -> Callable[[], None]:
    """Have Elasticsearch take an application for a number; what comes back mends that."""
    name = f"broken-{lab.settings.namespace}"
    mappings = {"properties": {"network": {"properties": {"application": {"type": "long"}}}}}
    lab.client.indices.put_index_template(
        name=name,
        index_patterns=[lab.stream_name(FLOW)],
        data_stream={},
        priority=1000,
        template={"mappings": {"dynamic": False, **mappings}},
    )

    def mend() -> None:
        lab.client.indices.delete_index_template(name=name)
        lab.client.indices.rollover(alias=lab.stream_name(FLOW))

    return mend


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_what_a_mapping_refused_is_exported_once_it_is_mended(lab: Lab) -> None:
    mend = break_mapping(lab)
    try:
        lab.publish(FLOW, [flow(number) for number in range(30)])
        lab.send(FLOW, b"broken", None)
        lab.export()
        assert lab.count(FLOW) == 0
        assert {each["error"]["type"] for each in lab.documents(DEAD)} == {"document_parsing_exception", "headers"}
        assert {each["tapline"]["dead"]["state"] for each in lab.documents(DEAD)} == {"waiting"}
    finally:
        mend()
    outcomes = Outcomes()
    done = retry(lab)
    assert done.letters == {FLOW.name(lab.kafka.prefix): 30}
    assert list(done.refused.values()) == ["it still cannot be read (headers: missing or bad header ('schema'))"]
    lab.export()
    assert outcomes.of(FLOW) == {"read": 30, "written": 30, "duplicate": 0, "rejected": 0}
    assert {each["event"]["id"] for each in lab.documents(FLOW)} == {flow(number).id for number in range(30)}
    assert {each["tapline"]["stream"] for each in lab.documents(FLOW)} == {STREAM}
    states = [each["tapline"]["dead"] for each in lab.documents(DEAD)]
    assert sorted(each["state"] for each in states) == ["retried"] * 30 + ["waiting"] * 31
    marks = [each for each in states if each["state"] == "retried"]
    assert {(each["author"], each["comment"]) for each in marks} == {("ada", "mapping mended")}
    assert {each["letter"] for each in marks} < {each["letter"] for each in states if each["state"] == "waiting"}
    # Once more, as after a kill between sending and marking: nothing is there twice.
    retry(lab, Choice(reason="document*", states=("retried",)))
    lab.export()
    assert lab.count(FLOW) == 30
    assert sum(each.state == "waiting" for each in read_standings(lab.kafka).values()) == 1


def test_what_is_sent_again_to_a_worker_is_not_exported_again(lab: Lab) -> None:
    outcomes = Outcomes()
    for stage in (WORKER, EXPORTER):
        envelope = Envelope(FLOW.schema, "node-1", STREAM, WINDOW, 0, 1, stage)
        lab.send(FLOW, encode([flow(len(stage))]), envelope.headers())
    lab.export()
    assert outcomes.of(FLOW) == {"read": 1, "written": 1, "duplicate": 0, "rejected": 0}
    assert [each["event"]["id"] for each in lab.documents(FLOW)] == [flow(len(EXPORTER)).id]


def test_all_that_was_read_is_accounted_for_also_after_a_restart(lab: Lab) -> None:
    outcomes = Outcomes()
    in_hand = value("tapline_exporter_records_in_hand", topic="flow") or 0.0
    records = [flow(number) for number in range(40)]
    lab.publish(FLOW, [*records, flow(40, source_ip="not an address")])
    lab.publish(FLOW, records[:10], partition=1)
    lab.send(FLOW, b"broken", None, 1)
    lab.flush()
    with Unfinished(lab.kafka, lab.settings) as exporter:
        exporter.run(until=lambda: sum(outcomes.of(FLOW)[each] for each in ("written", "duplicate", "rejected")) == 52)
    first = outcomes.of(FLOW)
    assert first == {"read": 52, "written": 40, "duplicate": 10, "rejected": 2}
    assert lab.waiting() > 0, "nothing of it was committed"
    lab.export()
    assert outcomes.of(FLOW) == {"read": 104, "written": 40, "duplicate": 60, "rejected": 4}
    assert value("tapline_exporter_records_in_hand", topic="flow") == in_hand
    assert lab.count(FLOW) == 40
    assert len(read_standings(lab.kafka)) == 2, "a letter that is published twice is one"
    assert lab.count(DEAD) == 2


def test_the_oldest_record_ages_while_elasticsearch_takes_none(lab: Lab) -> None:
    lab.publish(FLOW, [flow(0)])
    lab.export()
    lab.publish(FLOW, [flow(1)])
    lab.flush()
    age = "tapline_exporter_oldest_unexported_seconds"
    lab.client.indices.put_settings(index=lab.stream_name(FLOW), settings={"index.blocks.write": True})
    with lab.exporting():
        wait_for(lambda: (value(age, topic="flow") or 0) > 0, "the record to be in hand")
        before = value(age, topic="flow") or 0
        wait_for(lambda: (value(age, topic="flow") or 0) > before, "it to grow older")
        assert value(age, topic="resource") == 0
        lab.client.indices.put_settings(index=lab.stream_name(FLOW), settings={"index.blocks.write": False})
        lab.wait_until_exported()
        wait_for(lambda: value(age, topic="flow") == 0, "nothing to be in hand")
    assert value(age, topic="flow") is None, "an exporter that has stopped says nothing"
    assert lab.count(FLOW) == 2


def test_what_waits_is_seen_while_elasticsearch_takes_none(lab: Lab) -> None:
    lab.publish(FLOW, [flow(0)])
    lab.export()
    lab.client.indices.put_settings(index=lab.stream_name(FLOW), settings={"index.blocks.write": True})
    with lab.exporting(lab.with_settings(bulk_documents=1, bulks_in_flight=1)) as exporter:
        for number in range(1, 5):
            lab.publish(FLOW, [flow(number)])
        wait_for(lambda: exporter._reader._paused, "its partitions to be paused", seconds=60)
        for number in range(5, 15):
            lab.publish(FLOW, [flow(number)])
        lag = "tapline_exporter_lag_messages"
        wait_for(lambda: (value(lag, topic="flow", partition="0") or 0) >= 10, "what came since to be seen", seconds=60)
        lab.client.indices.put_settings(index=lab.stream_name(FLOW), settings={"index.blocks.write": False})
        lab.wait_until_exported()
        wait_for(lambda: value(lag, topic="flow", partition="0") == 0, "nothing to wait")
    assert lab.count(FLOW) == 15


@pytest.mark.parametrize("error", [RuntimeError("a mistake of ours"), MemoryError(), RecursionError()])
def test_a_record_of_which_no_document_can_be_made_stops_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    make = documents.MAKERS[FLOW.kind]

    def fail(record: object, context: object) -> object:
        if record == flow(1):
            raise error
        return make(record, context)  # type: ignore[arg-type]

    monkeypatch.setitem(documents.MAKERS, FLOW.kind, fail)
    lab.publish(FLOW, [flow(0), flow(1), flow(2)])
    lab.publish(FLOW, [flow(3)])
    lab.export()
    assert lab.count(FLOW) == 3
    (letter,) = lab.dead_letters()
    assert (letter.reason, letter.index) == ("document", 1)
    assert repr(error) in letter.error
    monkeypatch.undo()
    assert retry(lab).letters.total() == 1
    lab.export()
    assert lab.count(FLOW) == 4


def test_a_letter_says_when_kafka_took_the_message(lab: Lab) -> None:
    before = time.time_ns() // 1000 - 1_000_000
    lab.send(FLOW, b"broken", None)
    lab.export()
    (letter,) = lab.dead_letters()
    assert before <= letter.time <= time.time_ns() // 1000 + 1_000_000
