"""All recipients, each in a thread and a consumer group of its own, so that none waits for another."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from exporters.consumer import Exporter, connect_to_topics
from exporters.recipients.notification import Notification
from exporters.recipients.opening import sender_for, wording_for
from exporters.recipients.pools import LivePools
from exporters.recipients.recipient import RecipientExporter
from exporters.recipients.routing import no_pools
from exporters.recipients.senders.sender import Rejected, Unavailable
from exporters.recipients.settings import AnyRecipient, RecipientsSettings
from exporters.recipients.wording import SAMPLE
from tapline.process.health import Health
from topics.catalog import DEAD, NOTIFICATION, POLICY
from topics.errors import TaplineError
from topics.partitions import digest
from topics.rights import of_recipients, require
from topics.settings import KafkaSettings


class RecipientsExporter(Exporter):
    """Tells every recipient of the settings of alerts, until :meth:`leave`.

    ``policy`` are the files of the policy, whose pools a recipient's ``when`` may name.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: RecipientsSettings,
        health: Health | None = None,
        policy: Sequence[str] = (),
    ) -> None:
        super().__init__(kafka)
        self._settings = settings
        self._policy = policy
        self._health = health or Health()
        self._pools: LivePools | None = None
        self._recipients: list[RecipientExporter] = []
        self._failures: list[Exception] = []

    def start(self) -> None:
        """Check all recipients and that the topics are there; :class:`TaplineError` says what to do."""
        check_names(self._settings)
        names = [recipient.name for recipient in self._settings.send_to]
        require(self._kafka, "recipients", of_recipients(self._kafka, names))
        connect_to_topics(self._kafka, [topic.name(self._kafka.prefix) for topic in (NOTIFICATION, POLICY, DEAD)])
        if any(when.pools for recipient in self._settings.send_to for when in recipient.when):
            self._pools = LivePools(self._kafka, self._policy)
            self._pools.start()
        for recipient in self._settings.send_to:
            made = RecipientExporter(self._kafka, recipient, self._pools or no_pools, self._health)
            made.start()
            self._recipients.append(made)

    def run(self) -> None:
        """Send until :meth:`leave`; the attempts in flight are finished.

        :class:`TaplineError` when Kafka refuses one of the recipients.
        """
        threads = [
            threading.Thread(target=self._run, args=(recipient,), name="recipient") for recipient in self._recipients
        ]
        for thread in threads:
            thread.start()
        self._leaving.wait()
        for recipient in self._recipients:
            recipient.leave()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def stop(self) -> None:
        """Release the connections."""
        for recipient in self._recipients:
            recipient.stop()
        self._recipients.clear()
        if self._pools is not None:
            self._pools.stop()
            self._pools = None

    def _run(self, recipient: RecipientExporter) -> None:
        try:
            recipient.run()
        except Exception as error:  # noqa: BLE001 - told by run
            self._failures.append(error)
            self._leaving.set()


def check_names(settings: RecipientsSettings) -> None:
    """:class:`TaplineError` where there is no recipient, or two of one name."""
    names = Counter(recipient.name for recipient in settings.send_to)
    if not names:
        raise TaplineError("there are no recipients: name some under recipients.send_to in tapline.yaml")
    for name, count in names.items():
        if count > 1:
            raise TaplineError(f"two recipients are named {name}: each needs a name of its own")


def recipient_named(settings: RecipientsSettings, name: str) -> AnyRecipient:
    """The recipient of this name; :class:`TaplineError` naming those there are."""
    check_names(settings)
    for recipient in settings.send_to:
        if recipient.name == name:
            return recipient
    known = ", ".join(recipient.name for recipient in settings.send_to)
    raise TaplineError(f"there is no recipient {name!r}: known are {known}")


def send_test(recipient: AnyRecipient) -> None:
    """Send a test message to a recipient, once and without Kafka; :class:`TaplineError` says why it did not arrive."""
    now = time.time_ns() // 1000
    identity = digest("test", recipient.name, now)
    sender = sender_for(recipient)
    sender.open()
    try:
        wording = wording_for(recipient, sender)
        alert = replace(SAMPLE.alert, id=identity, time=now)
        sender.send(wording.of_one(Notification(identity, "stored", alert)))
    except (Rejected, Unavailable) as error:
        raise TaplineError(f"recipient {recipient.name} was not reached: {error}") from error
    finally:
        sender.close()
