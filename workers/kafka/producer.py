"""Sending what stages make: librdkafka's producer, acknowledged on Faust's event loop.

Faust's own producer is aiokafka's, whose cost is by the message and not by the record: what checks keep of hosts
and flows is one small message each, and sending those was a tenth of a worker's time (docs/explanation/faust.md).
For the same reason messages are handed over many at a time, with one answer for all of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from topics.catalog import Topic
from topics.codec import Envelope
from topics.settings import KafkaSettings
from workers.windows.outbox import Outgoing

_MOST_BYTES: Final = 8 * 1024 * 1024
_QUEUE_KILOBYTES: Final = 64 * 1024
_GIVEN_UP_MS: Final = 60_000
_FULL: Final = 0.01
_POLL: Final = 0.1


class StageProducer:
    """Sends messages in their order, one request at a time to a broker.

    A message whose answer is lost is sent again, and may then be there twice: what stages publish has deterministic
    ids and numbers, by which readers know it again.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._complete: list[_Answers] = []

    def _start(self) -> asyncio.AbstractEventLoop:
        """Connect, and wait for answers on a thread."""
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(
            {
                "acks": "all",
                "max.in.flight.requests.per.connection": 1,
                "compression.type": "zstd",
                "compression.level": 1,
                "linger.ms": 5,
                "message.max.bytes": _MOST_BYTES,
                "queue.buffering.max.kbytes": _QUEUE_KILOBYTES,
                "message.timeout.ms": _GIVEN_UP_MS,
                "log_level": 0,
            }
            | self._kafka.client()
        )
        self._thread = threading.Thread(target=self._poll, name="deliveries", daemon=True)
        self._thread.start()
        return self._loop

    def stop(self) -> None:
        """Give up what is still on its way: it is made again by whoever reads on from the last commit."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._producer.purge()

    async def send(self, messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        """Hand over messages in their order, waiting while too many are on their way; the first ones connect.

        The result is done when Kafka has acknowledged all of them, and raises
        :class:`confluent_kafka.KafkaException` when that was not to be within a minute.
        """
        sent = (self._loop or self._start()).create_future()
        answers = _Answers(sent, len(messages), self._complete_with)
        produce, prefix = self._producer.produce, self._kafka.prefix
        topic: Topic | None = None
        envelope: Envelope | None = None
        for message in messages:
            if message.topic is not topic:
                topic = message.topic
                name = topic.name(prefix)
            if message.envelope is not envelope:
                envelope = message.envelope
                headers = envelope.headers()
            while True:
                try:
                    produce(name, message.body, message.key, message.partition, answers.take, headers=headers)
                except BufferError:
                    await asyncio.sleep(_FULL)
                except KafkaException as error:
                    sent.set_exception(error)
                    return sent
                else:
                    break
        return sent

    def _complete_with(self, answers: _Answers) -> None:
        self._complete.append(answers)

    def _poll(self) -> None:
        """Wait for answers on a thread, and tell the event loop of those that came together at once."""
        while not self._stopping.is_set():
            self._producer.poll(_POLL)
            if self._complete:
                complete, self._complete = self._complete, []
                assert self._loop is not None
                try:
                    self._loop.call_soon_threadsafe(_tell, complete)
                except RuntimeError:
                    return  # the loop has ended, and with it the process


class _Answers:
    """Kafka's answers to messages that were sent together, as they come on the thread that polls."""

    def __init__(self, sent: asyncio.Future[None], expected: int, complete: Callable[[_Answers], None]) -> None:
        self.sent = sent
        self.error: Any = None
        self._missing = expected
        self._complete = complete

    def take(self, error: Any, _message: Any) -> None:
        """Take one answer; the first error is that of all."""
        self.error = self.error or error
        self._missing -= 1
        if not self._missing:
            self._complete(self)


def _tell(complete: list[_Answers]) -> None:
    for answers in complete:
        if answers.sent.cancelled():
            continue
        if answers.error is None:
            answers.sent.set_result(None)
        else:
            answers.sent.set_exception(KafkaException(answers.error))
