"""`tapline export`: take records out of Kafka to where they are kept, and prepare what keeps and shows them."""

from __future__ import annotations

import click

from tapline.commands.state import State
from topics.errors import TaplineError


@click.group()
def command() -> None:
    """Bring records from Kafka to a destination, until SIGTERM; prepare destinations.

    \b
    tapline export setup --kibana http://127.0.0.1:5601
    tapline export elasticsearch
    tapline export recipients
    tapline export files
    tapline export prometheus
    tapline export mirror
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
    from tapline.commands.exporting import run_exporter

    configuration = state.configuration
    settings = configuration.elasticsearch
    run_exporter(
        configuration,
        settings.metrics_port,
        metrics_port,
        lambda health: Exporter(configuration.kafka, settings, health),
    )


@command.command()
@click.option(
    "--metrics-port", type=int, help="Port of /metrics (default: files.metrics_port; 0: a free one, -1: none)."
)
@click.pass_obj
def files(state: State, *, metrics_port: int | None) -> None:
    """Write records into Parquet or JSON Lines files, by kind and day, each record once.

    What, where to and how is `files:` of the configuration. Several exporters share the work where they share the
    folder.

    \b
    tapline export files
    """
    from exporters.files.exporter import FilesExporter
    from tapline.commands.exporting import run_exporter

    configuration = state.configuration
    settings = configuration.files
    run_exporter(
        configuration,
        settings.metrics_port,
        metrics_port,
        lambda health: FilesExporter(configuration.kafka, settings, health),
    )


@command.command()
@click.option(
    "--metrics-port", type=int, help="Port of /metrics (default: mirror.metrics_port; 0: a free one, -1: none)."
)
@click.pass_obj
def mirror(state: State, *, metrics_port: int | None) -> None:
    """Copy records into topics with one record a message, each exactly once, for other consumers of Kafka.

    What and how is `mirror:` of the configuration.

    \b
    tapline export mirror
    """
    from exporters.mirror.exporter import MirrorExporter
    from tapline.commands.exporting import run_exporter

    configuration = state.configuration
    settings = configuration.mirror
    run_exporter(
        configuration,
        settings.metrics_port,
        metrics_port,
        lambda health: MirrorExporter(configuration.kafka, settings, health),
    )


@command.command()
@click.option("--metrics-port", type=int, help="Port of /metrics (default: prometheus.metrics_port; 0: a free one).")
@click.pass_obj
def prometheus(state: State, *, metrics_port: int | None) -> None:
    """Show the newest values of chosen counters to Prometheus, at /metrics beside the exporter's own.

    Which ones is `prometheus:` of the configuration.

    \b
    tapline export prometheus
    """
    from exporters.prometheus.exporter import PrometheusExporter
    from tapline.commands.exporting import run_exporter

    configuration = state.configuration
    settings = configuration.prometheus
    run_exporter(
        configuration,
        settings.metrics_port,
        metrics_port,
        lambda health: PrometheusExporter(configuration.kafka, settings, health),
    )


@command.command()
@click.option("--kibana", "url", help="Bring the dashboards into this Kibana as well (default: kibana.url).")
@click.option("--space", help="The space in Kibana (default: kibana.space).")
@click.option("--json", "as_json", is_flag=True, help="What was done as one JSON object.")
@click.pass_context
def setup(ctx: click.Context, *, url: str | None, space: str | None, as_json: bool) -> None:
    """Put templates and policies into Elasticsearch and the dashboards into Kibana; say what was changed.

    A data stream that an older version made is rolled over: its newest index has the new mapping, the others stay as
    they are. Nothing is changed before Elasticsearch and Kibana have answered. Doing it again changes nothing in
    Elasticsearch, and overwrites the dashboards. Exit code 1 when Kibana has refused an object, or when something in
    Elasticsearch had to be kept as it is.

    \b
    tapline export setup
    tapline export setup --kibana https://kibana.example.org --space network
    """
    from tapline.commands.output import print_json
    from tapline.commands.preparing import prepare, print_prepared

    state: State = ctx.obj
    done = prepare(state.configuration, url, space)
    if as_json:
        print_json(done)
    else:
        print_prepared(done)
    ctx.exit(0 if done.is_complete else 1)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="What was found as one JSON object.")
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Say what `tapline export setup` would change in Elasticsearch; change nothing.

    Exit code 1 when there is something.

    \b
    tapline export check
    """
    from tapline.commands.keeping import check_elasticsearch, print_checked
    from tapline.commands.output import print_json

    state: State = ctx.obj
    found = check_elasticsearch(state.configuration.elasticsearch)
    if as_json:
        print_json(found)
    else:
        print_checked(found)
    ctx.exit(1 if found.differences else 0)


@command.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="What was done as one JSON object.")
@click.pass_obj
def prune(state: State, *, dry_run: bool, as_json: bool) -> None:
    """Roll data streams over and delete old indices, where Elasticsearch does not do it by itself.

    How old is `elasticsearch.lifecycle` of the configuration. Whole indices are deleted, when they are written to no
    more for so long and hold no document that is younger; never the newest index of a data stream.

    \b
    tapline export prune --dry-run
    """
    from tapline.commands.keeping import print_kept, prune_elasticsearch
    from tapline.commands.output import print_json

    settings = state.configuration.elasticsearch
    done = prune_elasticsearch(settings, dry=dry_run)
    if as_json:
        print_json(done)
    else:
        print_kept(done, settings)
    if done.problem:
        raise TaplineError(done.problem)


@command.command()
def dashboards() -> None:
    """Write the dashboards as a file that Kibana imports (Stack Management, Saved Objects, Import).

    \b
    tapline export dashboards >tapline.ndjson
    """
    from exporters.kibana.saved_objects import ndjson

    click.echo(ndjson(), nl=False)


@command.command()
@click.option("--test", "name", metavar="NAME", help="Send this recipient a test message, and leave.")
@click.option(
    "--metrics-port", type=int, help="Port of /metrics (default: recipients.metrics_port; 0: a free one, -1: none)."
)
@click.pass_obj
def recipients(state: State, *, name: str | None, metrics_port: int | None) -> None:
    """Tell people and other programs of alerts, as `recipients:` of the configuration says.

    \b
    tapline export recipients --test on-call
    """
    from exporters.recipients.exporter import RecipientsExporter, recipient_named, send_test
    from tapline.commands.exporting import run_exporter

    configuration = state.configuration
    settings = configuration.recipients
    if name is not None:
        send_test(recipient_named(settings, name))
        click.echo(f"{name} has taken a test message")
        return
    run_exporter(
        configuration,
        settings.metrics_port,
        metrics_port,
        lambda health: RecipientsExporter(configuration.kafka, settings, health, configuration.workers.policy),
    )
