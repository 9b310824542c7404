"""Suricata's events into real Kafka, over rotations and restarts of the node: each is there once."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from capture.node import CaptureNode
from capture.open import open_capture
from capture.publisher import KafkaPublisher
from capture.settings import CaptureSettings, EveSettings
from tests.integration.capture.test_publishing import received
from tests.unit.capture_eve.made import anomaly
from tests.waiting import wait_for
from topics import admin
from topics.catalog import DOCUMENT
from topics.settings import KafkaSettings


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    """Topics of the test's own."""
    settings = KafkaSettings(bootstrap=kafka, prefix=f"t{uuid4().hex[:8]}", partitions=2)
    admin.create(settings)
    return settings


def numbers(settings: KafkaSettings) -> list[int]:
    """The events that are in Kafka, by their numbers."""
    found = [
        record
        for _, envelope, records in received(settings, DOCUMENT)
        if not envelope.is_snapshot
        for record in records
    ]
    return sorted(json.loads(record.text)["anomaly"]["number"] for record in found)


def write(path: Path, first: int, last: int) -> None:
    with path.open("ab") as file:
        for number in range(first, last):
            file.write(anomaly(number))


def test_a_followed_file_arrives_once_over_rotation_and_restart(settings: KafkaSettings, tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    capture = CaptureSettings(node="node", eve=EveSettings(positions=str(tmp_path / "positions")))
    lines = 0
    for began in (0, 100, 200):
        write(path, began, began + 50)
        if began:
            path.rename(tmp_path / f"eve.json.{began}")
        write(path, began + 50, began + 100)
        observation, sources = open_capture(f"eve:follow:{path}", capture)
        with KafkaPublisher(settings, live=False) as publisher:
            node = CaptureNode(observation, sources, publisher)
            thread = threading.Thread(target=node.run)
            thread.start()
            try:
                lines += 100
                wait_for(lambda node=node: node.counts["eve", "used"] == 100, "the lines are read")  # type: ignore[misc]
            finally:
                node.stop()
                thread.join()
    assert numbers(settings) == list(range(lines))
