"""Running several things at once until the process is asked to stop, or one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, Protocol

from tapline.process.health import Health
from tapline.process.signals import on_stop_signal

_STALL_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.5


class Runner(Protocol):
    """What runs until it is stopped."""

    def run(self) -> None:
        """Go on until :meth:`stop`, or to the end."""

    def stop(self) -> None:
        """End in good order, from any thread or signal handler."""


def run_together(runners: Sequence[tuple[str, Runner]], health: Health) -> None:
    """Run these, each in a thread of its name, until all have ended; raises what the first that failed raised.

    SIGTERM, SIGINT and a failure stop all of them. ``health`` shows that the capture goes on.
    """
    errors: list[BaseException] = []

    def stop() -> None:
        for _, runner in runners:
            runner.stop()

    def run(runner: Runner) -> None:
        try:
            runner.run()
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            errors.append(error)
            stop()

    threads = [threading.Thread(target=run, args=(runner,), name=name) for name, runner in runners]
    component = health.component("capture", stall_seconds=_STALL_SECONDS)
    with on_stop_signal(stop):
        for thread in threads:
            thread.start()
        component.ready()
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_SECONDS)
                component.progress()
    if errors:
        raise errors[0]
