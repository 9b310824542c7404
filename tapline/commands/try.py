"""`tapline try`: what scripts and rules make of captures, without Kafka."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.command()
@click.argument("files", metavar="[SCRIPT]... CAPTURE...", nargs=-1, required=True, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; `kind` says what it is.")
@click.option(
    "--param", "params", metavar="NAME=VALUE", multiple=True, help="Set a parameter of the scripts; may be repeated."
)
@click.option(
    "--policy",
    "policy",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Go by the rules and settings of this file, and not by workers.policy; may be repeated.",
)
@click.option(
    "--depth", type=click.Choice(["light", "deep"]), help="Flows alone, or all there is (default: as needed)."
)
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    *,
    as_json: bool,
    params: tuple[str, ...],
    policy: tuple[str, ...],
    depth: str | None,
) -> None:
    """Run scripts and rules over captures and print what they print and emit, then the hooks that were called.

    Scripts are the files that end in .py, and may stand anywhere; the rest are captures: files, an interface, or
    - for standard input. Each is a stream of its own, in its own time. No Kafka is needed, and nothing is
    sent anywhere but by the scripts themselves. The exit code is 1 when a script failed.

    \b
    tapline try short_ssh.py capture.pcap
    tapline try short_ssh.py monday.pcap tuesday.pcap --param max_bytes=1500
    tapline try *.py capture.pcap --json | jq 'select(.kind == "alert") .record.message'
    tapline try --policy policy.yaml capture.pcap
    ssh router tcpdump -w - | tapline try short_ssh.py -
    """
    from tapline.commands.trying import try_scripts

    scripts = [name for name in files if name.endswith(".py")]
    captures = [name for name in files if not name.endswith(".py")]
    if not scripts and not policy:
        raise click.UsageError("name a script: a file that ends in .py, or rules with --policy FILE")
    if not captures:
        raise click.UsageError("name a capture: a file, an interface, or - for standard input")
    state: State = ctx.obj
    ctx.exit(try_scripts(state.configuration, scripts, captures, params, policy, depth, as_json=as_json))
