"""From what a user names to an observation and its source."""

from __future__ import annotations

import time

from capture.collectors import SCHEME
from capture.collectors.intake import MADE, CollectorIntake
from capture.collectors.source import CollectorTopic, Contents
from capture.netflow import NAME
from capture.settings import CaptureSettings
from capture.source import Observation, Sink, Source, observe_live
from topics.errors import TaplineError
from topics.settings import KafkaSettings


def open_collector(
    source: str, settings: CaptureSettings, kafka: KafkaSettings | None
) -> tuple[Observation, list[Source]]:
    """What ``netflow:kafka:TOPIC`` stands for, in the Kafka of ``kafka``; :class:`TaplineError` when it is nothing."""
    topic = source.removeprefix(SCHEME)
    if not topic:
        raise TaplineError(f"{source} names no topic: write {SCHEME}TOPIC")
    if kafka is None:
        raise TaplineError(f"{source} is read while it is written: use `tapline capture {source}`")
    observation = observe_live(settings.node_name, source, time.time_ns() // 1000)

    def intake(sink: Sink, now: int) -> CollectorIntake:
        return CollectorIntake(observation, settings.flow_exports, sink, topic, now)

    contents = Contents(NAME, "goflow2 or nProbe", MADE, intake)
    return observation, [CollectorTopic(observation, topic, contents, kafka)]
