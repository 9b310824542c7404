"""`tapline up`: start Kafka and Elasticsearch on this machine."""

from __future__ import annotations

import click

from tapline.commands.output import Progress, print_json, print_table
from tapline.commands.state import State


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array of the engines as they are then.")
@click.pass_obj
def command(state: State, *, as_json: bool) -> None:
    """Start Kafka and Elasticsearch on this machine, if they do not run yet.

    They listen on 127.0.0.1 alone, keep their data in the folder `services.folder` (.tapline), and go on
    until `tapline down`. The first time, their files are fetched from public registries and checked.

    \b
    tapline up
    TAPLINE_SERVICES__KAFKA_PORT=19092 tapline up
    """
    from tapline.services import local

    configuration = state.configuration
    progress = Progress()
    kafka, elasticsearch = local.up(configuration.services, progress)
    progress.close()
    engines = [kafka.status(), elasticsearch.status()]
    if as_json:
        print_json(engines)
        return
    print_table(("engine", "version", "address", "log"), [(it.name, it.version, it.address, it.log) for it in engines])
    if kafka.address != configuration.kafka.bootstrap:
        click.echo(f"For the other commands: export TAPLINE_KAFKA__BOOTSTRAP={kafka.address}")
    if elasticsearch.address not in configuration.elasticsearch.hosts:
        click.echo(f"For the other commands: export TAPLINE_ELASTICSEARCH__HOSTS='[\"{elasticsearch.address}\"]'")
