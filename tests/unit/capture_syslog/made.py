"""What the tests of syslog share: an intake with its sink, and a listener that runs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from capture.settings import CaptureSettings, SyslogSettings
from capture.source import observe_live
from capture.syslog.intake import Intake
from capture.syslog.opening import open_syslog
from capture.syslog.source import SyslogListener
from tests.unit.capture.sinks import KeepingSink
from tests.waiting import wait_for
from topics.catalog import DEAD, DOCUMENT
from topics.records import DeadLetter, Document

NOW = int(datetime(2026, 12, 3, 12, 0, 30, tzinfo=UTC).timestamp()) * 1_000_000


class Received:
    """A sink with the questions tests ask."""

    def __init__(self) -> None:
        self.sink = KeepingSink()

    @property
    def documents(self) -> list[Document]:
        return [put.record for put in self.sink.put_all if put.topic is DOCUMENT]  # type: ignore[misc]

    @property
    def letters(self) -> list[DeadLetter]:
        return [put.record for put in self.sink.put_all if put.topic is DEAD]  # type: ignore[misc]

    @property
    def texts(self) -> list[str]:
        return [document.text for document in self.documents]

    @property
    def reasons(self) -> dict[str, int]:
        return {
            counter.removeprefix("rejected."): amount
            for counter, amount in self.sink.counts.items()
            if counter.startswith("rejected.")
        }


def take(lines: Sequence[bytes], peer: str = "192.0.2.9", settings: SyslogSettings | None = None) -> Received:
    """What becomes of lines that come now, live."""
    received = Received()
    observation = observe_live("node", "udp://127.0.0.1:514", NOW)
    intake = Intake(observation, settings or SyslogSettings(), UTC, received.sink, NOW)
    intake.take(lines, peer)
    intake.finish()
    return received


@contextmanager
def listening(transport: str, settings: SyslogSettings | None = None) -> Iterator[tuple[int, Received]]:
    """A listener on a free port of the loopback, and what it has received; stopped at the end."""
    received = Received()
    _, (source,) = open_syslog(
        f"syslog:{transport}://127.0.0.1:0", CaptureSettings(node="node", syslog=settings or SyslogSettings())
    )
    assert isinstance(source, SyslogListener)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            source.run(received.sink)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: source.port or errors, "the listener's port")
        if not errors:
            yield source.port, received
    finally:
        source.stop()
        thread.join()
    if errors:
        raise errors[0]


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as sender:
        yield sender
