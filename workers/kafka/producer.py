"""Sending what stages make: librdkafka's producer, acknowledged on Faust's event loop.

Faust's own producer is aiokafka's, whose cost is by the message and not by the record: what checks keep of hosts
and flows is one small message each, and sending those was a tenth of a worker's time (docs/explanation/faust.md).
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

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
        self._answers: list[tuple[asyncio.Future[None], Any]] = []

    def _start(self) -> asyncio.AbstractEventLoop:
        """Connect, and wait for answers on a thread."""
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(
            {
                "acks": "all",
                "max.in.flight.requests.per.connection": 1,
                "compression.type": "zstd",
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

    async def send(self, message: Outgoing) -> asyncio.Future[None]:
        """Hand over a message, waiting while too many are on their way; the first one connects.

        The result is done when Kafka has acknowledged it, and raises :class:`confluent_kafka.KafkaException` when
        that was not to be within a minute.
        """
        sent = (self._loop or self._start()).create_future()
        while True:
            try:
                self._producer.produce(
                    message.topic.name(self._kafka.prefix),
                    message.body,
                    message.key,
                    message.partition,
                    partial(self._answered, sent),
                    headers=message.envelope.headers(),
                )
            except BufferError:
                await asyncio.sleep(_FULL)
            except KafkaException as error:
                sent.set_exception(error)
                return sent
            else:
                return sent

    def _answered(self, sent: asyncio.Future[None], error: Any, _message: Any) -> None:
        self._answers.append((sent, error))

    def _poll(self) -> None:
        """Wait for answers on a thread, and tell the event loop of those that came together at once."""
        while not self._stopping.is_set():
            self._producer.poll(_POLL)
            if self._answers:
                answers, self._answers = self._answers, []
                assert self._loop is not None
                try:
                    self._loop.call_soon_threadsafe(_tell, answers)
                except RuntimeError:
                    return  # the loop has ended, and with it the process


def _tell(answers: list[tuple[asyncio.Future[None], Any]]) -> None:
    for sent, error in answers:
        if sent.cancelled():
            continue
        if error is None:
            sent.set_result(None)
        else:
            sent.set_exception(KafkaException(error))
