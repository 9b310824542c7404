"""Workers that are ended in the middle of a stream, with others in their place."""

from __future__ import annotations

import signal
from threading import Thread

from tests.integration.workers.cluster import Workers, counters
from tests.waiting import wait_for
from topics.settings import KafkaSettings


def end_and_replace(
    settings: KafkaSettings, workers: Workers, how: signal.Signals, publishing: Thread, group: str, times: int = 2
) -> None:
    """End the worker that has been there for longest and start another, so many times.

    Before the next is ended there are further counters of ``group``, or everything has been published.
    """
    for _ in range(times):
        workers.end(workers.processes[0], how)
        workers.start()
        before = len(counters(settings, group))

        def goes_on(before: int = before) -> bool:
            return len(counters(settings, group)) > before or not publishing.is_alive()

        wait_for(goes_on, "the workers to go on", seconds=90, every=0.5)
