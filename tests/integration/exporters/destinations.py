"""Exporters other than that to Elasticsearch at work in a thread, and what they count."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from prometheus_client import REGISTRY

from tapline.commands.backlog import backlog
from tests.integration.exporters.lab import Lab
from topics.catalog import Topic


class Runs(Protocol):
    """An exporter."""

    def run(self) -> None: ...
    def leave(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


@contextmanager
def running(exporter: Runs) -> Iterator[None]:
    """The exporter at work until the end, when it leaves in order."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            exporter.run()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    with exporter:
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            exporter.leave()
            thread.join(60)
            # Why an exporter has failed says more than what a test has waited for.
            if failures:
                raise failures[0]
    assert not thread.is_alive()


def waiting(topics: Lab, group: str, *which: Topic) -> int:
    """How many messages of these topics a group has not committed."""
    return sum(each.waiting for each in backlog(topics.kafka, f"{topics.kafka.prefix}-{group}", which))


class Counted:
    """How counters of this process have changed since this was made."""

    def __init__(self) -> None:
        self._before = _values()

    def of(self, name: str, **labels: str) -> int:
        """By how much a counter has grown, over all labels that are not given."""
        return int(
            sum(
                value - self._before.get((each, found), 0)
                for (each, found), value in _values().items()
                if each == name and labels.items() <= dict(found).items()
            )
        )


def _values() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
    }
