"""The console's own user may do in Kafka what its pages offer, and no more than is listed for it."""

from __future__ import annotations

from collections import Counter

from confluent_kafka import Producer
from msgspec.structs import replace

from console.live.standing import Standing
from tests.integration.security.deployment import Deployment
from tests.unit.dead_letter_lab import FLOWS, letter
from tests.waiting import wait_for
from topics.alert_log import write_releases
from topics.catalog import DEAD
from topics.codec import encode
from topics.dead_deeds import drop, send_again
from topics.dead_letters import WORKER, dead_envelope
from topics.dead_log import read_standings
from topics.policy_log import write_entries
from topics.records import Alert, DeadLetter


def tell(shared: Deployment, *letters: DeadLetter) -> None:
    """Put dead letters into Kafka as a worker does, by its user."""
    kafka = shared.kafka("worker")
    producer = Producer(kafka.client())
    for each in letters:
        headers = dead_envelope(WORKER, each.time).headers()
        producer.produce(DEAD.name(kafka.prefix), encode([each]), partition=0, headers=headers)  # type: ignore[arg-type]
    assert producer.flush(60) == 0


def test_dead_letters_are_sent_again_and_dropped(shared: Deployment) -> None:
    topic = f"{shared.namespace}.flow.v1"
    one, other = (
        replace(letter(WORKER, number, encode(FLOWS), "failed", topic=topic), partition=0) for number in (1, 2)
    )
    tell(shared, one, other)
    kafka = shared.kafka("console")
    wait_for(lambda: {one.id, other.id} <= read_standings(kafka).keys(), "the letters", seconds=60)
    assert send_again(kafka, [one], "somebody", "mended").letters == Counter({topic: 1})
    assert drop(kafka, [other], "somebody", "too late").letters == Counter({topic: 1})
    found = read_standings(kafka)
    assert (found[one.id].state, found[other.id].state) == ("retried", "dropped")


def test_it_sets_the_policy_releases_alerts_and_follows_what_stands(shared: Deployment) -> None:
    kafka = shared.kafka("console")
    standing = Standing(kafka, lambda _kind: None)
    standing.start()
    try:
        wait_for(lambda: not standing.problem, "the console to have read what stands", seconds=60)
        assert write_entries(kafka, [("pools/of-the-console", "{members: [10.0.0.0/8]}")], "somebody") == 1
        wait_for(lambda: "pools/of-the-console" in standing.entries(), "the entry to come back", seconds=60)
        alert = Alert(id="1", time=1, type="t", message="m", entity="e", episode="1")
        assert write_releases(kafka, [alert], "somebody") == 1
    finally:
        standing.stop()


def test_it_may_not_count_as_a_worker_or_look_at_how_topics_are_set(shared: Deployment) -> None:
    assert "the Kafka user watcher lacks rights of worker: " in shared.refusal("console", "worker")
    done = shared.run("console", "topics", "verify")
    assert "no right to DescribeConfigs" in str(done.exception)
