"""`tapline capture`: publish the records of captures to Kafka."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.command()
@click.argument("captures", metavar="SOURCE...", nargs=-1, required=True)
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
@click.option("--for-packet-scripts", metavar="OBSERVATION", hidden=True, help="Be the process of packet scripts.")
@click.option("--metrics-port", type=int, default=-1, help="Port of /metrics (0: a free one, -1, the default: none).")
@click.option("--json", "as_json", is_flag=True, help="The summary of each source as one JSON object a line.")
@click.option("--member", type=int, default=0, hidden=True, help="Be this one of the processes that share interfaces.")
@click.option("--group", "groups", type=int, multiple=True, hidden=True, help="The group of each interface.")
@click.pass_context
def command(
    ctx: click.Context,
    captures: tuple[str, ...],
    *,
    depth: str | None,
    engine: str | None,
    flows: str | None,
    for_packet_scripts: str | None,
    metrics_port: int,
    as_json: bool,
    member: int,
    groups: tuple[int, ...],
) -> None:
    """Read packets, logs, what devices and machines tell of themselves, and publish their records to Kafka.

    A source is a capture file, - for standard input, an interface, or one of those below.
    Files are read one after the other, interfaces and what listens all at once until SIGTERM; so are the complete
    capture files of a folder, and what is left there later. Reading a file again adds
    nothing; one that was interrupted is completed by reading it again. Packet scripts that are enabled run here.

    \b
    tapline capture monday.pcap tuesday.pcapng
    tapline capture eth0 eth1 --metrics-port 9610
    ssh router tcpdump -w - | tapline capture -
    tapline capture syslog:udp://0.0.0.0:5514 syslog:tcp://0.0.0.0:5514
    tapline capture eth0 --engine suricata
    tapline capture folder:/var/spool/captures
    tapline capture eve:follow:/var/log/suricata/eve.json
    tapline capture zeek:logs/2021-06-01
    tapline capture zeek:follow:/opt/zeek/logs/current
    tapline capture nfdump:/var/cache/nfdump/2021/06/01 argus:monday.argus
    tapline capture netflow:udp://0.0.0.0:2055 sflow:udp://0.0.0.0:6343
    tapline capture host: docker: snmp: snmptrap:udp://0.0.0.0:162
    """
    from tapline.commands.capturing import capture, print_summaries, settings_for
    from tapline.commands.folders import are_folders, watch
    from tapline.commands.sharing import is_shared, memberships, share
    from tapline.packets import EnabledPacketScripts

    state: State = ctx.obj
    if for_packet_scripts is not None:
        from tapline.packets import run_for_capture

        run_for_capture(for_packet_scripts, captures[0], state.configuration.capture, state.configuration.workers)
        return
    if are_folders(captures):
        settings = settings_for(state.configuration, captures, depth=depth, engine=engine, flows=flows)
        scripts = EnabledPacketScripts(state.configuration.workers, state.arguments())
        packets = scripts.of_file if scripts.find() else None
        watch(state.configuration, captures, settings, packets, metrics_port=metrics_port, as_json=as_json)
        return
    configuration = state.configuration
    if not member and is_shared(configuration.capture, captures):
        asked = (("--depth", depth), ("--engine", engine), ("--flows", flows))
        options = [part for option, value in asked if value for part in (option, value)]
        share(
            configuration,
            captures,
            [*state.arguments(), "capture", *options, *(["--json"] if as_json else [])],
            flows,
            metrics_port,
        )
        return
    summaries = capture(
        configuration,
        captures,
        state.arguments(),
        depth=depth,
        engine=engine,
        flows=flows,
        metrics_port=metrics_port,
        fanouts=memberships(captures, groups, member),
    )
    print_summaries(summaries, as_json=as_json)
    ctx.exit(1 if any(summary.problem for summary in summaries) else 0)
