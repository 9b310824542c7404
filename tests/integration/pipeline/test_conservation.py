"""Whatever capture goes in: announced by capture = received by workers = held by Elasticsearch."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer

from exporters.elasticsearch.documents import EXPORTED, data_stream
from tapline.commands.capturing import Summary, capture
from tapline.commands.demonstration import conservation
from tapline.commands.holdings import Holdings
from tapline.demo import DEMO_CAPTURE
from tests.integration.pipeline.stack import Stack, all_captures
from topics.catalog import ALERT_STATE, CATALOG
from topics.codec import Envelope
from workers.stages import topics_of

SHARED = Path(__file__).parents[4] / "shared" / "captures"


def capture_all(stack: Stack, captures: list[Path]) -> list[Summary]:
    summaries = []
    for path in captures:
        try:
            summaries += capture(stack.configuration, [str(path)], depth="deep", engine="tshark")
        except Exception as error:
            raise AssertionError(f"{path.name}: {error}") from error
    return summaries


@pytest.mark.parametrize("which", ["demo", "shared"])
def test_every_capture_is_conserved_and_publishing_it_again_adds_nothing(stack: Stack, which: str) -> None:
    if which == "shared" and not SHARED.is_dir():
        pytest.skip("the captures of ../shared/captures are not there")
    captures = [DEMO_CAPTURE] if which == "demo" else list(all_captures(SHARED))
    with (
        stack.process("workers", "worker", "--processes", "1"),
        stack.process("exporter", "export", "elasticsearch"),
    ):
        summaries = capture_all(stack, captures)
        stack.wait_until_done(600)
        different = {}
        with Holdings(stack.configuration.elasticsearch) as holdings:
            holdings.refresh()
            for path, summary in zip(captures, summaries, strict=True):
                rows = conservation(stack.configuration, holdings, summary)
                announced = {row.kind: row.announced for row in rows}
                assert {kind: announced[kind] for kind in summary.records} == summary.records
                if not all(row.equal for row in rows):
                    different[path.name] = [row for row in rows if not row.equal]
        assert not different
        before = stack.documents()
        capture_all(stack, captures)
        stack.wait_until_done(600)
        assert stack.documents() == before
        assert not any("dead" in name and count for name, count in before.items())


def test_broken_messages_in_every_topic_become_dead_letters_and_stop_nothing(stack: Stack) -> None:
    settings = stack.configuration.kafka
    producer = Producer(settings.client())
    for topic in CATALOG:
        for body, headers in (
            (b"not json", None),
            (b"[{]", Envelope(topic.schema, "n", "live", 60, 0, 1).headers()),
            (None, Envelope(topic.schema, "n", "live", 60, 0, 1).headers()),
            (b"[]", Envelope("nonsense/9", "n", "live", 60, 0, 1).headers()),
        ):
            key = b"key" if topic is ALERT_STATE else None
            producer.produce(topic.name(settings.prefix), body, key, partition=0, headers=headers)
    assert producer.flush(30) == 0
    with (
        stack.process("workers", "worker", "--processes", "1"),
        stack.process("exporter", "export", "elasticsearch"),
    ):
        (summary,) = capture_all(stack, [DEMO_CAPTURE])
        stack.wait_until_done(300)
    with Holdings(stack.configuration.elasticsearch) as holdings:
        holdings.refresh()
        rows = conservation(stack.configuration, holdings, summary)
        held = holdings.documents()
    assert all(row.equal for row in rows), rows
    read_by_workers = 4 * len(topics_of(()))
    read_by_exporter = 4 * len(EXPORTED) - 1  # of how conditions stand, no body says that one is forgotten
    assert held[data_stream("dead", stack.namespace).name] == read_by_workers + read_by_exporter
