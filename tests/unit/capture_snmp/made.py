"""What the tests of SNMP share: a source that runs, and what it has put."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.snmp.settings import SnmpSettings
from capture.source import Source
from tests.unit.capture.sinks import KeepingSink
from topics.catalog import ALERT, ANNOTATION, DEAD
from topics.records import Alert, Annotation, DeadLetter, Metric


class Put:
    """A sink with the questions tests ask."""

    def __init__(self) -> None:
        self.sink = KeepingSink()

    def samples(self, group: str, key: str = "") -> list[Metric]:
        return [sample for sample in self.sink.samples if sample.group == group and key in ("", sample.key)]

    @property
    def labels(self) -> dict[str, str]:
        found = [put.record for put in self.sink.put_all if put.topic is ANNOTATION]
        return {record.key: record.value for record in found if isinstance(record, Annotation)}

    @property
    def alerts(self) -> list[Alert]:
        return [put.record for put in self.sink.put_all if put.topic is ALERT]  # type: ignore[misc]

    @property
    def letters(self) -> list[DeadLetter]:
        return [put.record for put in self.sink.put_all if put.topic is DEAD]  # type: ignore[misc]

    def counted(self, beginning: str) -> dict[str, int]:
        """The counters of a family, by what follows its name."""
        return {
            counter.removeprefix(beginning): amount
            for counter, amount in self.sink.counts.items()
            if counter.startswith(beginning)
        }


@contextmanager
def running(name: str, settings: SnmpSettings) -> Iterator[tuple[Source, Put]]:
    """A source while it runs."""
    _, (source,) = open_capture(name, CaptureSettings(node="node", snmp=settings))
    put = Put()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            source.run(put.sink)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield source, put
    finally:
        source.stop()
        thread.join()
    if errors:
        raise errors[0]
