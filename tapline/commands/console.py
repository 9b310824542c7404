"""`tapline console`: the network, its alerts and the system in a browser."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.command()
@click.option("--host", help="Address to listen on (default: console.host, loopback).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (default: console.port; 0: a free one).")
@click.option(
    "--metrics-port", type=int, help="Port of /metrics (default: console.metrics_port; 0: a free one, -1: none)."
)
@click.pass_obj
def command(state: State, *, host: str | None, port: int | None, metrics_port: int | None) -> None:
    """Serve the console until SIGTERM: the network, its alerts, scripts, rules, the pipeline, the configuration.

    Whoever uses it has to log in. At the first start it prints a token with which to make the first administrator.

    \b
    tapline console
    tapline console --port 8080
    """
    from msgspec.structs import replace

    from console.parts import Console
    from console.server import ConsoleServer
    from tapline.commands.backlog import whole_backlog
    from tapline.commands.console_scripts import ScriptWorkshop
    from tapline.commands.exporting import run_exporter

    configuration = state.configuration
    settings = configuration.console
    settings = replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
    )
    console = Console(
        settings,
        configuration.kafka,
        configuration.elasticsearch,
        configuration.kibana,
        lambda: whole_backlog(configuration),
        ScriptWorkshop(configuration.workers),
        configuration.workers.policy,
    )
    run_exporter(
        configuration,
        settings.metrics_port,
        metrics_port,
        lambda health: ConsoleServer(console, health, lambda line: click.echo(line, err=True)),
    )
