"""A message that cannot be used stops nothing, and can be sent again when its cause is mended."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from topics.catalog import CATALOG, COUNTER, DEAD, FLOW, PARTIAL, Topic
from topics.codec import SNAPSHOT_SCHEMA, BadMessage, Envelope, encode, open_message
from topics.dead_letters import EXPORTER, WORKER
from topics.records import DeadLetter, Flow, Snapshot
from topics.resending import NotAgain, resent
from workers.environment import Environment
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings
from workers.stages import build
from workers.windows.outbox import Outgoing
from workers.windows.stage import Stage

WINDOW = 1_700_000_040
WRITTEN = 1_700_000_111_000_000
PARTITIONS = {topic.kind: topic.partitions or 1 for topic in CATALOG}
HOST = "192.0.2.1"


class Partition:
    """One partition of the flows and one of their sums, and what their stages have published."""

    def __init__(self) -> None:
        environment = Environment(WorkersSettings(scripts=[]), load_files([], {}), PARTITIONS, prefix="net")
        self.stage: Stage = build(FLOW, 0, environment)
        self.stage.start("")
        self.offset = 0
        self.published: list[Outgoing] = []
        self._sums = build(PARTIAL, 0, environment)
        self._sums.start("")
        self._summed = 0

    def take(self, headers: Any, body: bytes | None) -> None:
        step = self.stage.message(self.offset, headers, body, WRITTEN)
        assert step.waiting is None
        self.offset += 1
        self.published += step.outgoing
        for out in [each for each in step.outgoing if each.topic is PARTIAL]:
            self.published += self._sums.message(self._summed, out.envelope.headers(), out.body).outgoing
            self._summed += 1

    def flows(self, sequence: int, *flows: Flow, node: str = "a") -> None:
        envelope = Envelope(FLOW.schema, node, "live", WINDOW, sequence, len(flows))
        self.take(envelope.headers(), encode(flows))

    def mark(self, announced: int, node: str = "a") -> None:
        marker = Snapshot(node=node, stream="live", window=WINDOW, announced=announced)
        self.take(Envelope(SNAPSHOT_SCHEMA, node, "live", WINDOW, 0, 1).headers(), encode([marker]))

    def retry(self, letter: DeadLetter) -> None:
        message = resent(letter, "net", PARTITIONS)
        assert (message.topic, message.partition) == ("net.flow.v1", 0)
        self.take(message.envelope.headers(), message.body)

    def letters(self) -> list[DeadLetter]:
        return list(self._records(DEAD))

    def received(self) -> int:
        """Bytes of the one host in the window, as its documents in Elasticsearch would have them."""
        totals = {each.id: each for each in self._records(COUNTER)}.values()
        mine = [each for each in totals if (each.group, each.key, each.stream) == ("Hosts", HOST, "live")]
        assert {each.window for each in mine} <= {WINDOW}
        return int(sum(each.meters["bytes"] for each in mine))

    def _records(self, topic: Topic) -> Iterator[Any]:
        for out in self.published:
            if out.topic is topic and not out.envelope.is_snapshot and out.body is not None:
                yield from open_message(out.envelope.headers(), out.body, topic)[1]


def flow(name: str, octets: int = 100) -> Flow:
    time = WINDOW * 1_000_000
    return Flow(
        id=name,
        flow_id=name,
        time=time,
        start=time,
        end=time,
        transport="tcp",
        source_ip=HOST,
        destination_ip="198.51.100.9",
        delta_source_bytes=octets,
        record="final",
    )


@pytest.fixture
def partition() -> Partition:
    return Partition()


@pytest.fixture
def poison(partition: Partition, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The worker fails at any message with a flow named poison; undone, it no longer does."""
    take = partition.stage.core.take

    def fail(state: Any, records: Sequence[Any], *, dispatch: bool) -> None:
        if any(record.id == "poison" for record in records):
            raise RuntimeError("a mistake of ours")
        take(state, records, dispatch=dispatch)

    monkeypatch.setattr(partition.stage.core, "take", fail)
    return monkeypatch


def test_a_message_that_cannot_be_decoded_is_a_dead_letter_and_the_next_is_counted(partition: Partition) -> None:
    headers = Envelope(FLOW.schema, "a", "live", WINDOW, 1, 1).headers()
    partition.flows(0, flow("1"))
    partition.take(headers, b'[{"id":')
    partition.flows(2, flow("2"))
    partition.mark(3)
    assert partition.received() == 200
    (letter,) = partition.letters()
    assert (letter.topic, letter.partition, letter.offset, letter.time) == ("net.flow.v1", 0, 1, WRITTEN)
    assert (letter.stage, letter.reason, letter.node) == (WORKER, "undecodable", "~flow/0")
    assert base64.b64decode(letter.value) == b'[{"id":'
    assert [(name, base64.b64decode(value)) for name, value in letter.headers] == headers
    with pytest.raises(NotAgain, match="still cannot be read"):
        resent(letter, "net", PARTITIONS)


def test_a_record_that_raises_is_counted_in_its_window_once_it_no_longer_does(
    partition: Partition, poison: pytest.MonkeyPatch
) -> None:
    partition.flows(0, flow("1"))
    partition.flows(1, flow("poison", 7), flow("beside", 5))
    partition.flows(3, flow("2"))
    partition.mark(4)
    assert partition.received() == 200, "the window closes without it"
    (letter,) = partition.letters()
    assert (letter.reason, letter.error) == ("failed", "RuntimeError('a mistake of ours')")
    partition.retry(letter)
    assert partition.received() == 200
    assert partition.stage.ledger.idle(), "what fails again leaves no window open"
    first, second = partition.letters()
    assert (first.id != second.id, second.reason) == (True, "failed"), "not mended: it is a dead letter once more"
    poison.undo()
    partition.retry(letter)
    assert partition.received() == 200, "the first retry closed the window of this letter"
    partition.retry(second)
    assert partition.received() == 212
    partition.retry(second)
    assert partition.received() == 212, "what comes twice is known"


def test_what_was_sent_again_leaves_no_window_open(partition: Partition, poison: pytest.MonkeyPatch) -> None:
    partition.flows(0, flow("poison"))
    partition.mark(1)
    poison.undo()
    partition.retry(partition.letters()[0])
    assert partition.stage.ledger.idle()
    point = partition.stage.ledger.point()
    assert point is not None
    assert point.offset == partition.offset


def test_what_is_for_another_stage_is_passed_over(partition: Partition) -> None:
    envelope = Envelope(FLOW.schema, "a", "live", WINDOW, 0, 1, EXPORTER)
    partition.take(envelope.headers(), encode([flow("1", 3)]))
    partition.flows(0, flow("2"))
    partition.mark(1)
    assert partition.received() == 100
    assert partition.letters() == []


@pytest.mark.parametrize("octets", [0, 1, 8 * 1024 * 1024])
def test_the_dead_letter_of_the_largest_message_fits_into_kafka(partition: Partition, octets: int) -> None:
    """One that does not would have the worker fail at the same message for ever."""
    many = [*Envelope(FLOW.schema, "a", "live", WINDOW, 0, 1).headers(), ("more", b"x" * octets)]
    partition.take(many, b"[" * octets)
    (out,) = [each for each in partition.published if each.topic is DEAD]
    assert out.body is not None
    assert len(out.body) < 7 * 1024 * 1024
    (letter,) = partition.letters()
    assert letter.whole_bytes == (octets if octets > 1 else 0)


@pytest.mark.parametrize("number", [2**63, 2**70, -1])
def test_a_window_that_no_clock_shows_stops_nothing(partition: Partition, number: int) -> None:
    for schema, records in (
        (FLOW.schema, [msgspec.structs.replace(flow("1"), time=number)]),
        (SNAPSHOT_SCHEMA, [Snapshot(node="b", stream="other", window=number, announced=1)]),
    ):
        partition.take(Envelope(schema, "b", "other", number, 0, 1).headers(), encode(records))
    partition.published.clear()
    partition.flows(0, flow("2"))
    partition.mark(1)
    assert partition.received() == 100


def test_a_letter_is_the_same_when_its_message_is_read_again() -> None:
    found = []
    for _ in range(2):
        partition = Partition()
        partition.take(None, b"garbage")
        found.append(partition.published)
    assert found[0] == found[1]


def test_headers_say_who_a_message_is_for() -> None:
    envelope = Envelope(FLOW.schema, "a", "live", WINDOW, 0, 1, EXPORTER)
    body = encode([flow("1")])
    assert open_message(envelope.headers(), body, FLOW)[0] == envelope
    assert (envelope.is_for(EXPORTER), envelope.is_for(WORKER)) == (True, False)
    with pytest.raises(BadMessage, match="headers"):
        open_message([*envelope.headers(), ("reader", b"\xff")], body, FLOW)
