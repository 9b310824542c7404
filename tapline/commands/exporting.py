"""Running an exporter: its metrics, its health, and its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from tapline.configuration import Configuration
from tapline.process.health import Health
from tapline.process.metrics import MetricsServer
from tapline.process.signals import on_stop_signal


class Exporter(AbstractContextManager[Any], Protocol):
    """What brings records to a destination."""

    def run(self) -> None:
        """Go on until :meth:`leave`."""

    def leave(self) -> None:
        """End in good order, from any thread or signal handler."""


def run_exporter(
    configuration: Configuration, usual_port: int, asked_port: int | None, make: Callable[[Health], Exporter]
) -> None:
    """Run what ``make`` makes until SIGTERM or SIGINT, with /metrics at the port that was asked for, or the usual one.

    :class:`~topics.errors.TaplineError` when the port is taken, or as the exporter says.
    """
    port = usual_port if asked_port is None else asked_port
    health = Health()
    exporter = make(health)
    with (
        MetricsServer(health, host=configuration.process.metrics_host, port=port),
        on_stop_signal(exporter.leave),
        exporter,
    ):
        exporter.run()
