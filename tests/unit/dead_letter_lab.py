"""Dead letters made by hand, and a stand-in for the topic they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from confluent_kafka import KafkaError

from tests.unit.exporters.samples import TIME, flow
from topics.catalog import CATALOG, DEAD, FLOW
from topics.codec import Envelope, encode, open_message
from topics.dead_letters import EXPORTER, WORKER, dead_letter
from topics.records import DeadLetter

PARTITIONS = {topic.kind: topic.partitions or 4 for topic in CATALOG}
HEADERS = [*Envelope(FLOW.schema, "node-1", "live", 60, 10, 3).headers(), ("trace", b"1234")]
FLOWS = [flow(0), flow(1), flow(2)]


def letter(
    stage: str,
    offset: int,
    value: bytes,
    reason: str,
    topic: str = "tapline.flow.v1",
    headers: list[tuple[str, bytes]] = HEADERS,
    index: int | None = None,
) -> DeadLetter:
    why = (reason, f"{reason}: something is wrong")
    time = TIME + offset * 1_000_000
    return dead_letter(stage, (topic, 3, offset), time, headers, value, why, node=stage, index=index)


GARBAGE = letter(WORKER, 1, b"\x00\x01\xff", "undecodable")
FAILED = letter(WORKER, 2, encode(FLOWS), "failed")
REFUSED = letter(EXPORTER, 3, encode([flow(1)])[1:-1], "mapper_parsing_exception", index=1)
LINE = letter("capture", 4, b"<13>no", "no-priority", topic="syslog", headers=[])
ALL = [GARBAGE, FAILED, REFUSED, LINE]


class Kafka:
    """The dead letter topic, and the messages sent to other topics; ``refuses`` decides of each."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = list(ALL)
        self.sent: list[tuple[str, int, Envelope, bytes, list[tuple[str, bytes]]]] = []
        self.refuses: Callable[[str], bool] = lambda _topic: False
        self._waiting: list[tuple[Any, ...]] = []

    def records(self, _kafka: Any) -> Iterator[DeadLetter]:
        yield from list(self.letters)

    def produce(
        self, topic: str, body: bytes, *, partition: int, headers: list[tuple[str, bytes]], on_delivery: Any
    ) -> None:
        self._waiting.append((topic, body, partition, headers, on_delivery))

    def flush(self, _seconds: float) -> int:
        for topic, body, partition, headers, on_delivery in self._waiting:
            if self.refuses(topic):
                on_delivery(KafkaError(KafkaError._QUEUE_FULL, "no room"), Sent(topic))
                continue
            found = next(each for each in CATALOG if each.name("tapline") == topic)
            envelope, records = open_message(headers, body, found)
            if found is DEAD:
                self.letters += records
            else:
                self.sent.append((topic, partition, envelope, body, headers))
            on_delivery(None, Sent(topic))
        self._waiting = []
        return 0

    def purge(self) -> None:
        self._waiting = []


class Sent(NamedTuple):
    """A message that was handed to the producer."""

    name: str

    def topic(self) -> str:
        return self.name
