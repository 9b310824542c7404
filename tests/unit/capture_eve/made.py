"""Events as Suricata writes them, and sinks that wait for what is made of them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from capture.source import Places, Sink, Source
from tests.unit.capture.sinks import KeepingSink
from topics.catalog import Topic
from topics.records import Document, Record

PATIENCE = 60.0
BEGAN = int(time.time()) - 3600
"""Epoch seconds of the first event: so far back as a live source still believes."""


def anomaly(number: int, **more: Any) -> bytes:
    """The ``number``-th event, 10 ms after the one before, which becomes a document."""
    seconds, fraction = divmod(number, 100)
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BEGAN + seconds))
    event = {
        "timestamp": f"{began}.{fraction * 10_000:06d}+0000",
        "flow_id": 1_000 + number,
        "event_type": "anomaly",
        "src_ip": "192.0.2.1",
        "src_port": 40_000,
        "dest_ip": "198.51.100.2",
        "dest_port": 443,
        "proto": "TCP",
        "anomaly": {"type": "stream", "number": number},
    }
    return json.dumps(event | more).encode() + b"\n"


class WaitingSink(KeepingSink):
    """A sink that says when it has what somebody waits for; it confirms all there is."""

    def __init__(self) -> None:
        super().__init__()
        self.confirmed = 0
        self._changed = threading.Condition()

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        with self._changed:
            super().put(topic, key, record, window)
            self._changed.notify_all()

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        with self._changed:
            super().count(source, counter, amount)
            self._changed.notify_all()

    confirms = True

    def confirm(self) -> Places | None:
        with self._changed:
            self.confirmed = len(self.put_all)
            self._changed.notify_all()
            return {"document": [self.confirmed]}

    def published(self, places: Places, is_ours: Callable[[str], bool]) -> Iterator[str]:  # noqa: ARG002
        """What this sink has been given since, by whichever run."""
        return iter([put.record.id for put in self.put_all[places["document"][0] :]])

    def wait(self, what: Callable[[], bool]) -> None:
        """Return when it is so."""
        with self._changed:
            assert self._changed.wait_for(what, PATIENCE), dict(self.counts)

    @property
    def numbers(self) -> list[int]:
        """The events that became documents, in the order in which they came."""
        return [
            json.loads(put.record.text)["anomaly"]["number"]
            for put in self.put_all
            if isinstance(put.record, Document) and put.record.key == "anomaly"
        ]


@contextmanager
def running(source: Source, sink: Sink) -> Iterator[list[BaseException]]:
    """Run a source in a thread for the block, then stop it; what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            source.run(sink)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        source.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
