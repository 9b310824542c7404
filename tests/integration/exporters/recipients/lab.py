"""Topics of a test's own, notifications in them, and recipients that are told of them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client import REGISTRY

from exporters.recipients.exporter import RecipientsExporter
from exporters.recipients.reading import group_of
from exporters.recipients.settings import AnyRecipient, RecipientsSettings
from tapline.process.health import Health
from tests.unit.exporters.samples import STREAM, WINDOW, alert
from tests.waiting import wait_for
from topics.admin import create, partition_counts
from topics.catalog import DEAD, NOTIFICATION, POLICY, Topic
from topics.codec import Envelope, encode
from topics.policy_log import write_entries
from topics.records import Alert, DeadLetter, PolicyEntry
from topics.resending import resent
from topics.settings import KafkaSettings
from topics.tail import tail

_PROGRAM = """
import sys, msgspec
from exporters.recipients.exporter import RecipientsExporter
from exporters.recipients.settings import RecipientsSettings
from tapline.process.signals import on_stop_signal
from topics.settings import KafkaSettings
kafka, settings = (
    msgspec.json.decode(text, type=t) for text, t in zip(sys.argv[1:3], (KafkaSettings, RecipientsSettings))
)
exporter = RecipientsExporter(kafka, settings)
with on_stop_signal(exporter.leave), exporter:
    exporter.run()
"""


class RecipientsLab:
    """What one test works with; nothing in it is shared with another test."""

    def __init__(self, bootstrap: str) -> None:
        self.kafka = KafkaSettings(
            bootstrap=bootstrap,
            prefix=f"t{uuid.uuid4().hex[:12]}",
            partitions=2,
            # A process that was killed is to be missed soon.
            options={"session.timeout.ms": "6000", "heartbeat.interval.ms": "1000"},
        )
        self.health = Health()
        create(self.kafka)
        self._producer = Producer(self.kafka.client() | {"enable.idempotence": True, "linger.ms": 0, "log_level": 0})

    def tell(self, alerts: Sequence[Alert], partition: int = 0) -> None:
        """Have alerts told as one message, and wait until Kafka has it."""
        envelope = Envelope(NOTIFICATION.schema, "~alert/0", STREAM, WINDOW, 0, len(alerts))
        self._send(NOTIFICATION, encode(alerts), envelope, partition)

    def acknowledge(self, episode: str, author: str, comment: str) -> None:
        """Say that somebody has seen to an alert."""
        entry = PolicyEntry(
            id=uuid.uuid4().hex,
            time=WINDOW * 1_000_000,
            key=f"acknowledgements/{episode}",
            value="{}",
            author=author,
            comment=comment,
        )
        self._send(POLICY, encode([entry]), Envelope(POLICY.schema, "policy", "live", 0, 0, 1), 0, entry.key)

    def set_pool(self, name: str, *members: str) -> None:
        """Set a pool of the policy."""
        value = msgspec.json.encode({"members": members}).decode()
        write_entries(self.kafka, [(f"pools/{name}", value)], "ada")

    def send_again(self, letter: DeadLetter) -> None:
        """Send a dead letter again, as `tapline dlq retry` does."""
        again = resent(letter, self.kafka.prefix, partition_counts(self.kafka))
        headers = [*again.envelope.headers(), *again.headers]
        self._producer.produce(again.topic, again.body, headers=headers, partition=again.partition)  # type: ignore[arg-type]
        assert self._producer.flush(30) == 0

    def send_broken(self) -> None:
        """Send a message that is no notification."""
        self._send(NOTIFICATION, b"{", Envelope(NOTIFICATION.schema, "~alert/0", STREAM, WINDOW, 0, 1), 0)

    @contextlib.contextmanager
    def telling(self, *recipients: AnyRecipient, policy: Sequence[str] = ()) -> Iterator[RecipientsExporter]:
        """The exporter at work in a thread, once all recipients are ready; it leaves in order at the end."""
        failures: list[BaseException] = []

        def work(exporter: RecipientsExporter) -> None:
            try:
                exporter.run()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                failures.append(error)

        settings = RecipientsSettings(send_to=list(recipients))
        with RecipientsExporter(self.kafka, settings, self.health, policy) as exporter:
            thread = threading.Thread(target=work, args=(exporter,))
            thread.start()
            try:
                for recipient in recipients:
                    self.wait_until_begun(recipient.name)
                yield exporter
            finally:
                exporter.leave()
                thread.join(60)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

    def start_process(self, folder: Path, *recipients: AnyRecipient) -> subprocess.Popen[bytes]:
        """The exporter in a process of its own; its output goes to ``recipients.log``."""
        settings = RecipientsSettings(send_to=list(recipients))
        with (folder / "recipients.log").open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _PROGRAM,
                    msgspec.json.encode(self.kafka).decode(),
                    msgspec.json.encode(settings).decode(),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def committed(self, name: str, kind: Topic = NOTIFICATION) -> dict[int, int]:
        """The offsets of a topic that a recipient has committed, by partition."""
        topic = kind.name(self.kafka.prefix)
        consumer = Consumer(self.kafka.client() | {"group.id": group_of(self.kafka, name)})
        try:
            found = consumer.committed(
                [TopicPartition(topic, number) for number in range(kind.partitions or 2)], timeout=10
            )
            return {each.partition: each.offset for each in found if each.offset >= 0}
        finally:
            consumer.close()

    def wait_until_begun(self, name: str) -> None:
        """Wait until a recipient has committed where it begins."""

        def begun() -> bool:
            return len(self.committed(name)) == 2 and len(self.committed(name, POLICY)) == 1

        wait_for(begun, f"{name} to begin", seconds=60, every=0.1)

    def wait_until_done(self, name: str) -> None:
        """Wait until a recipient has committed everything."""
        topic = NOTIFICATION.name(self.kafka.prefix)
        consumer = Consumer(self.kafka.client() | {"group.id": f"{self.kafka.prefix}-look"})
        try:
            ends = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10)[1] for n in range(2)}
        finally:
            consumer.close()
        wait_for(lambda: self.committed(name) == ends, f"{name} to commit everything", seconds=60, every=0.1)

    def dead_letters(self) -> list[DeadLetter]:
        """The dead letters in Kafka."""
        found: list[DeadLetter] = []
        for message in tail(self.kafka, DEAD, beginning=True, follow=False):
            found.extend(record for record in message.records if isinstance(record, DeadLetter))
        return found

    def stop(self) -> None:
        """Close the connection."""
        self._producer.flush(5)

    def _send(self, topic: Topic, value: bytes, envelope: Envelope, partition: int, key: str | None = None) -> None:
        self._producer.produce(
            topic.name(self.kafka.prefix), value, key, headers=envelope.headers(), partition=partition
        )
        assert self._producer.flush(30) == 0


def outcomes(name: str) -> dict[str, int]:
    """What became of a recipient's notifications in this process, and how many were read."""
    found = {}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.labels.get("recipient") != name or not sample.value:
                continue
            if sample.name == "tapline_recipient_notifications_total":
                found[sample.labels["outcome"]] = int(sample.value)
            elif sample.name == "tapline_recipient_notifications_read_total":
                found["read"] = int(sample.value)
    return found


def stored(number: int, **changes: object) -> Alert:
    """A one-shot alert that was told."""
    return msgspec.structs.replace(alert(number, "stored"), episode=f"e{number:031x}", **changes)
