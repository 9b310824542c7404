"""`tapline read`: what a capture holds, without Kafka."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.command()
@click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One ECS document a line, as Elasticsearch would hold it.")
@click.option(
    "--depth",
    type=click.Choice(["light", "deep"]),
    help="Flows alone, or all that an engine sees (default: capture.depth).",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "tshark", "suricata"]),
    help="What makes resources and documents (default: capture.engine).",
)
@click.option(
    "--flows",
    type=click.Choice(["nfstream", "suricata"]),
    help="What flows are from; suricata is that engine alone (default: capture.flows).",
)
@click.pass_context
def command(
    ctx: click.Context,
    captures: tuple[str, ...],
    *,
    as_json: bool,
    depth: str | None,
    engine: str | None,
    flows: str | None,
) -> None:
    """Print the records of sources.

    A source is a capture file, an interface, - for standard input, or one of those below.
    The field event.dataset of a document tells which kind it is. Packet scripts that are enabled run as well.

    \b
    tapline read capture.pcap
    tapline read --json capture.pcap | jq 'select(."event"."dataset" == "tapline.flow")'
    ssh router tcpdump -w - | tapline read -
    tapline read syslog:messages.txt
    tapline read --engine suricata capture.pcap
    tapline read eve:eve.json
    tapline read zeek:logs/2021-06-01
    tapline read netflow:exported.pcap
    tapline read nfdump:nfcapd.202106011200
    tapline read snmp:
    """
    from tapline.commands.reading import read

    state: State = ctx.obj
    ctx.exit(read(state.configuration, captures, state.arguments(), depth, engine, flows, as_json=as_json))
