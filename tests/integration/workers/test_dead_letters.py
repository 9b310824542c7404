"""A message that workers could not use is counted in its window when it is sent again, and only once."""

from __future__ import annotations

import signal
import uuid
from base64 import b64encode
from collections import Counter
from pathlib import Path

from msgspec.structs import replace

from tapline.commands.backlog import backlog
from tests.integration.workers.cluster import Workers, counters, make_topics, publish, read_topic
from tests.integration.workers.stream import MadeStream
from tests.waiting import wait_for
from topics.admin import partition_counts
from topics.catalog import DEAD, FLOW
from topics.dead_log import DeadLetterWriter, read_standings, read_whole
from topics.records import DeadLetter
from topics.resending import resent
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings
from workers.stages import topics_of

Sums = dict[tuple[int, str], int]


def octets(kafka: KafkaSettings, stream: str = "live") -> Sums:
    """Bytes by window and host, over all counters that were published of them."""
    found: Counter[tuple[int, str]] = Counter()
    for counter in counters(kafka, "Hosts").values():
        if counter.stream == stream:
            found[counter.window, counter.key] += int(counter.meters["bytes"])
    return dict(found)


def hosts_of(made: MadeStream) -> Sums:
    """The same as it should be."""
    return {(window, key): meters["bytes"] for (window, group, key), meters in made.truth.items() if group == "Hosts"}


def waiting(kafka: KafkaSettings) -> int:
    """How many messages the workers have not done with."""
    return sum(each.waiting for each in backlog(kafka, kafka.prefix, topics_of(())))


def send(kafka: KafkaSettings, letter: DeadLetter) -> None:
    with DeadLetterWriter(kafka, "ada") as writer:
        writer.send([resent(letter, kafka.prefix, partition_counts(kafka))])


def test_what_workers_could_not_read_is_counted_once_it_can_be(kafka: str, tmp_path: Path) -> None:
    settings = KafkaSettings(bootstrap=kafka, prefix=f"t{uuid.uuid4().hex[:12]}", partitions=2)
    make_topics(settings)
    stream = MadeStream(nodes=1, windows=2, flows=200, partitions=2)
    messages = list(stream.messages())
    truth = hosts_of(stream)
    spoilt = next(i for i, message in enumerate(messages) if message[0] is FLOW and not message[2].is_snapshot)
    good = messages[spoilt][3]
    messages[spoilt] = (*messages[spoilt][:3], good[: len(good) // 2])
    workers = Workers(
        settings, WorkersSettings(scripts=[], policy=[], stall_timeout=30.0, group=settings.prefix), tmp_path
    )
    try:
        process = workers.start()
        publish(settings, messages)
        wait_for(lambda: waiting(settings) == waiting(settings) == 0, "all windows to close", seconds=90, every=0.5)
        assert octets(settings) != truth
        (standing,) = read_standings(settings).values()
        (letter,) = read_whole(settings, {standing.letter.id: None})
        assert (letter.topic, letter.reason, letter.node) == (
            FLOW.name(settings.prefix), "undecodable", f"~flow/{messages[spoilt][1]}",
        )  # fmt: skip
        assert [envelope.window > 1_700_000_000 for envelope, _ in read_topic(settings, DEAD)] == [True]
        mended = replace(letter, value=b64encode(good).decode())
        send(settings, mended)
        wait_for(lambda: octets(settings) == truth, "it to be counted", seconds=90, every=0.5)
        workers.end(process, signal.SIGKILL)
        send(settings, mended)
        other = MadeStream(nodes=1, windows=1, flows=50, partitions=2, stream="file-other")
        publish(settings, other.messages())
        after = hosts_of(other)
        workers.start()
        wait_for(lambda: octets(settings, "file-other") == after, "what came after it", seconds=90, every=0.5)
        assert octets(settings) == truth, "what comes twice is counted once"
    finally:
        workers.stop()
