"""One recipient at work: reads what is told, sends it, and commits what was delivered."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

import msgspec

from exporters.elasticsearch.dead_letters import DeadLetters
from exporters.recipients.backoff import wait_before
from exporters.recipients.digest import Digest
from exporters.recipients.memory import Told
from exporters.recipients.metrics import MESSAGES, OUTCOMES, READ, REJECTIONS, RETRIES, SECONDS
from exporters.recipients.notification import Message, Notification
from exporters.recipients.opening import sender_for, wording_for
from exporters.recipients.rate_limit import RateLimit
from exporters.recipients.reading import Item, NotificationReader, stage_of
from exporters.recipients.routing import PoolsOf, Routes
from exporters.recipients.senders.sender import Rejected, Unavailable
from exporters.recipients.settings import AnyRecipient, Reader
from exporters.recipients.wording import Unwordable
from tapline.process.health import Health
from topics.codec import BadMessage
from topics.dead_letters import dead_letter
from topics.errors import TaplineError
from topics.partitions import digest
from topics.records import Alert, DeadLetter, PolicyEntry
from topics.settings import KafkaSettings

NODE: Final = "exporter-recipients"
"""The node of its dead letters."""

MOST_TRIES: Final = 8
"""How often a message is tried whose sending fails with an error that nobody expects."""

_PATIENCE: Final = 0.5
_COMMIT_EVERY: Final = 1.0
_UNEXPECTED: Final = "unexpected"
_NO_REASON: Final = ("", "")
"""Why something is a dead letter, before that is known."""

_ACKNOWLEDGEMENTS: Final = "acknowledgements/"

_log = logging.getLogger(__name__)


class RecipientExporter:
    """Sends to one recipient, at least once, in order, until :meth:`leave`.

    A notification is committed when it was delivered or is a dead letter in Kafka, before the next is sent. So a
    process that is killed has at most one message that is sent again, and that has the same key.
    """

    def __init__(self, kafka: KafkaSettings, recipient: AnyRecipient, pools_of: PoolsOf, health: Health) -> None:
        self._kafka = kafka
        self._recipient = recipient
        self._pools_of = pools_of
        self._stage = stage_of(recipient.name)
        self._health = health.component(f"recipient-{recipient.name}", stall_seconds=5 * recipient.timeout + 60)
        self._leaving = threading.Event()
        self._reader = NotificationReader(kafka, recipient.name, self._leaving, self._health.progress)
        self._letters = DeadLetters(kafka)
        self._has_letters = False
        self._digest: Digest | None = None
        self._commit_at = 0.0

    def start(self) -> None:
        """Read secrets and templates; :class:`TaplineError` says what is wrong with the recipient. Sends nothing."""
        self._sender = sender_for(self._recipient)
        self._sender.open()
        self._wording = wording_for(self._recipient, self._sender)
        self._routes = Routes(self._recipient, self._pools_of)
        recipient = self._recipient
        self._limit = RateLimit(recipient.per_minute if isinstance(recipient, Reader) else 0)
        self._digest_seconds = recipient.digest_seconds if isinstance(recipient, Reader) else 0.0

    def run(self) -> None:
        """Read and send until :meth:`leave`; what goes wrong that is nobody's refusal is begun again.

        :class:`TaplineError` when Kafka refuses the recipient.
        """
        tries = 0
        while not self._leaving.is_set():
            self._told = Told(self._routes)
            self._digest = None
            try:
                self._reader.start()
                self._work()
            except TaplineError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the recipient is not to be forgotten
                tries += 1
                self._health.problem(f"{type(error).__name__}: begins again")
                _log.exception("recipient begins again", extra={"recipient": self._recipient.name})
                self._leaving.wait(wait_before(tries))
            finally:
                self._reader.stop()
        self._health.ready(is_ready=False)

    def leave(self) -> None:
        """Have :meth:`run` finish the attempt in flight and return; what is not delivered is for the next process."""
        self._leaving.set()

    def stop(self) -> None:
        """Release the connections."""
        self._sender.close()
        self._letters.stop()

    def _work(self) -> None:
        reader = self._reader
        while not self._leaving.is_set():
            if reader.is_disturbed:
                self._digest = None
                reader.begin_again()
            item = reader.next(self._patience())
            self._health.progress()
            if reader.is_restoring and self._digest is None:
                self._digest = Digest(time.monotonic(), "digested")
            if item is not None and not self._take(item):
                continue
            if self._digest is not None and not self._send_digest_when_due(self._digest):
                continue
            if self._digest is None:
                reader.settle()
            if time.monotonic() >= self._commit_at:
                self._commit_at = time.monotonic() + _COMMIT_EVERY
                if reader.commit() and reader.has_places:
                    self._health.ready()
        reader.commit()

    def _patience(self) -> float:
        return 0.0 if self._reader.is_restoring else _PATIENCE

    def _take(self, item: Item) -> bool:
        """Deal with a record; false when it is not dealt with, because of leaving or of partitions that were taken."""
        name = self._recipient.name
        if item.problem is not None:
            if item.is_known:
                return True
            READ.labels(name).inc()
            letter = self._letter(item, item.value or b"")
            return self._give_up(self._because(letter, item.problem), item.problem.reason, 1, "rejected")
        notification = self._notification(item)
        if notification is None:
            return True
        if item.is_known:
            if notification.id not in self._told and self._told.wants(notification):
                self._told.add(notification)
            return True
        READ.labels(name).inc()
        if item.is_again:
            return self._tell(item, notification)
        if notification.id in self._told or (self._digest is not None and notification.id in self._digest):
            self._count("duplicate")
        elif not self._told.wants(notification):
            self._count("not-routed")
        else:
            return self._tell(item, notification)
        return True

    def _notification(self, item: Item) -> Notification | None:
        """What a record says, if it is for people; of what a recipient does not know it is not told."""
        record = item.record
        if isinstance(record, Alert):
            return Notification(record.id, record.event or "stored", record)
        if not isinstance(record, PolicyEntry) or not record.key.startswith(_ACKNOWLEDGEMENTS) or not record.value:
            return None
        alert = self._told.alert_of(record.key.removeprefix(_ACKNOWLEDGEMENTS))
        if alert is None:
            if not item.is_known:
                READ.labels(self._recipient.name).inc()
                self._count("not-told")
            return None
        seen = msgspec.structs.replace(alert, id=digest("acknowledged", alert.episode, record.id), time=record.time)
        return Notification(seen.id, "acknowledged", seen, record.author, record.comment)

    def _tell(self, item: Item, notification: Notification) -> bool:
        now = time.monotonic()
        if self._digest is None and self._digest_seconds:
            self._digest = Digest(now, "digested")
        # What an earlier process may have sent by itself is sent by itself again: it has that key.
        alone = item.place.is_fresh and not self._digest_seconds and not self._reader.is_restoring
        item.place.is_fresh = False
        if self._digest is None and self._limit.wait(now) and not alone:
            self._digest = Digest(now, "suppressed")
        if self._digest is not None and not alone:
            self._digest.add(notification, item.published)
            return True
        letter = self._letter(item, msgspec.json.encode(notification.alert))
        try:
            message = self._wording.of_one(notification)
        except Unwordable as error:
            done = self._give_up(self._because(letter, error), error.reason, 1, "rejected")
        else:
            done = self._deliver(message, letter, item.published, "sent")
        if done:
            self._told.add(notification)
            item.place.done = item.place.read
            return self._reader.commit()
        return False

    def _send_digest_when_due(self, collected: Digest) -> bool:
        """Send what was collected when it is time; false when it is not dealt with then."""
        now = time.monotonic()
        if self._reader.is_restoring:
            if not self._reader.is_restored:
                return True
        elif not collected.is_full and now < collected.began + self._digest_seconds:
            return True
        elif (wait := self._limit.wait(now)) > 0:
            # There is room for no more: what comes stays in Kafka.
            return self._reader.idle(wait) if collected.is_full else True
        elif not self._reader.announce():
            return False
        if len(collected) and not self._deliver_digest(collected):
            return False
        for each in collected:
            self._told.add(each)
        self._digest = None
        self._reader.conclude()
        return self._reader.commit()

    def _deliver_digest(self, collected: Digest) -> bool:
        name = self._recipient.name
        key = collected.key(name)
        # A digest has no place of its own in Kafka: the letter's id is made of its key.
        letter = msgspec.structs.replace(
            dead_letter(
                self._stage,
                (self._reader.topic_name, 0, 0),
                int(collected.newest * 1_000_000),
                None,
                msgspec.json.encode([each.alert for each in collected.listed]),
                _NO_REASON,
                node=NODE,
            ),
            id=digest(self._stage, key),
        )
        try:
            if len(collected) == 1:
                message = self._wording.of_one(collected.listed[0])
            else:
                message = self._wording.of_many(key, collected.listed, collected.types)
        except Unwordable as error:
            return self._give_up(self._because(letter, error), error.reason, len(collected), "rejected")
        return self._deliver(message, letter, collected.newest, "sent" if len(collected) == 1 else collected.outcome)

    def _deliver(self, message: Message, letter: DeadLetter, published: float, outcome: str) -> bool:
        """Send until it is delivered, refused for good or too old; false when leaving or disturbed before that."""
        name = self._recipient.name
        tries = unexpected = 0
        while True:
            try:
                self._attempt(message)
            except Rejected as refusal:
                return self._give_up(self._because(letter, refusal), refusal.reason, message.count, "rejected")
            except Unavailable as failure:
                tries += 1
                unexpected += failure.reason == _UNEXPECTED
                if unexpected >= MOST_TRIES:
                    return self._give_up(self._because(letter, failure), failure.reason, message.count, "rejected")
                if time.time() - published > self._recipient.give_up_seconds:
                    return self._give_up(self._because(letter, failure), failure.reason, message.count, "expired")
                RETRIES.labels(name, failure.reason).inc()
                self._health.problem(str(failure))
                _log.warning("recipient not reached", extra={"recipient": name, "reason": str(failure), "try": tries})
                if not self._reader.idle(wait_before(tries, failure.seconds)):
                    return False
            else:
                MESSAGES.labels(name).inc()
                self._count(outcome, message.count)
                self._health.problem("")
                return True

    def _attempt(self, message: Message) -> None:
        began = time.monotonic()
        try:
            with SECONDS.labels(self._recipient.name).time():
                self._sender.send(message)
        except (Rejected, Unavailable):
            raise
        except Exception as error:
            _log.exception("attempt failed", extra={"recipient": self._recipient.name})
            raise Unavailable(_UNEXPECTED, type(error).__name__) from error
        self._limit.count(began)

    def _because(self, letter: DeadLetter, error: Rejected | Unavailable | Unwordable | BadMessage) -> DeadLetter:
        return msgspec.structs.replace(letter, reason=error.reason, error=f"recipient {self._recipient.name}: {error}")

    def _give_up(self, letter: DeadLetter, reason: str, count: int, outcome: str) -> bool:
        """Put what is not delivered into a dead letter; false when that could not be done before leaving."""
        if not self._has_letters:
            self._has_letters = True
            self._letters.start()
        self._letters.add(letter)
        _log.warning(
            "recipient not told", extra={"recipient": self._recipient.name, "reason": reason, "detail": letter.error}
        )
        while not self._letters.settle(1.0):
            if not self._reader.idle(0.2):
                return False
        REJECTIONS.labels(self._recipient.name, reason).inc()
        self._count(outcome, count)
        return True

    def _letter(self, item: Item, value: bytes) -> DeadLetter:
        place = (item.place.name, item.place.partition, item.offset)
        time = int(item.published * 1_000_000)
        return dead_letter(self._stage, place, time, item.headers, value, _NO_REASON, node=NODE, index=item.index)

    def _count(self, outcome: str, number: int = 1) -> None:
        OUTCOMES.labels(self._recipient.name, outcome).inc(number)
