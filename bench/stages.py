"""The stages of a worker over messages, timed: no Kafka and no Faust."""

from __future__ import annotations

import time
from typing import Final

from topics.catalog import FLOW, PARTIAL, Topic
from topics.codec import Envelope, Headers
from workers.environment import Environment
from workers.stages import build
from workers.windows.stage import Stage

STAGES: Final = (FLOW, PARTIAL)
"""The topics whose stages a flow goes through."""

Message = tuple[Topic, int, Envelope, bytes]


def cost(bodies: list[Message], environment: Environment) -> float:
    """CPU seconds of the flow and counter stages over these messages; start and stop are not counted."""
    stages: dict[tuple[str, int], Stage] = {}
    for topic in STAGES:
        for number in range(environment.partitions[topic.kind]):
            stages[topic.kind, number] = build(topic, number, environment)
            stages[topic.kind, number].start("")
    offsets = dict.fromkeys(stages, 0)
    began = time.process_time()
    todo: list[tuple[str, int, Headers, bytes | None]]
    todo = [(topic.kind, partition, envelope.headers(), body) for topic, partition, envelope, body in bodies]
    while todo:
        made: list[tuple[str, int, Headers, bytes | None]] = []
        for kind, partition, headers, body in todo:
            place = (kind, partition)
            if place in stages:
                step = stages[place].message(offsets[place], headers, body)
                offsets[place] += 1
                while True:
                    made += [(out.topic.kind, out.partition, out.envelope.headers(), out.body) for out in step.outgoing]
                    if step.waiting is None:
                        break
                    step.waiting.wait()
                    step = stages[place].proceed()
        todo = made
    spent = time.process_time() - began
    for stage in stages.values():
        stage.stop()
    return spent
