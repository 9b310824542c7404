"""`tapline export`: take records out of Kafka to where they are kept."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.group()
def command() -> None:
    """Bring records from Kafka to a destination, until SIGTERM.

    \b
    tapline export elasticsearch
    """


@command.command()
@click.option(
    "--metrics-port", type=int, help="Port of /metrics (default: elasticsearch.metrics_port; 0: a free one, -1: none)."
)
@click.pass_obj
def elasticsearch(state: State, *, metrics_port: int | None) -> None:
    """Keep every record as an ECS document in Elasticsearch's data streams.

    Puts the index templates first. Several exporters share the work.
    """
    from exporters.elasticsearch.exporter import Exporter
    from tapline.process.health import Health
    from tapline.process.metrics import MetricsServer
    from tapline.process.signals import on_stop_signal

    configuration = state.configuration
    settings = configuration.elasticsearch
    port = settings.metrics_port if metrics_port is None else metrics_port
    health = Health()
    exporter = Exporter(configuration.kafka, settings, health)
    with (
        MetricsServer(health, host=configuration.process.metrics_host, port=port),
        on_stop_signal(exporter.leave),
        exporter,
    ):
        exporter.run()
