"""`tapline read`: what a capture holds, without Kafka."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.command()
@click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One ECS document a line, as Elasticsearch would hold it.")
@click.option(
    "--depth", type=click.Choice(["light", "deep"]), help="Flows alone, or all tshark sees (default: capture.depth)."
)
@click.pass_context
def command(ctx: click.Context, captures: tuple[str, ...], *, as_json: bool, depth: str | None) -> None:
    """Print the records of sources: capture files, an interface, - for standard input, or one of those below.

    The field event.dataset of a document tells which kind it is.

    \b
    tapline read capture.pcap
    tapline read --json capture.pcap | jq 'select(."event"."dataset" == "tapline.flow")'
    ssh router tcpdump -w - | tapline read -
    tapline read syslog:messages.txt
    tapline read zeek:logs/2021-06-01
    tapline read netflow:exported.pcap
    tapline read snmp:
    """
    from tapline.commands.reading import read

    state: State = ctx.obj
    ctx.exit(read(state.configuration.capture, captures, depth, as_json=as_json))
