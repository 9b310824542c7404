"""`tapline backfill`: what scripts make of what the topics still hold."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.command()
@click.argument("scripts", metavar="SCRIPT...", nargs=-1, required=True, type=click.Path())
@click.option("--from", "begin", metavar="TIME", help="The beginning (default: of all that is held).")
@click.option("--to", "end", metavar="TIME", help="The end (default: of all that is held).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as `tapline try` prints them.")
@click.option(
    "--param", "params", metavar="NAME=VALUE", multiple=True, help="Set a parameter of the scripts; may be repeated."
)
@click.option("--publish", is_flag=True, help="Send what the scripts emit to the topics.")
@click.pass_context
def command(
    ctx: click.Context,
    scripts: tuple[str, ...],
    *,
    begin: str | None,
    end: str | None,
    as_json: bool,
    params: tuple[str, ...],
    publish: bool,
) -> None:
    """Run scripts over what Kafka's topics still hold and print what they make of it.

    TIME is event time: as 2026-11-21T09:30 (UTC unless it names another zone), or so long ago: 90s, 30m, 2h, 7d.
    The whole windows of a minute in between are taken that their capture nodes have closed. The running
    workers are not touched. With --publish, alerts, resources, documents, annotations, tracks and the
    counters that the scripts made go to the topics; doing the same once more adds nothing.

    \b
    tapline backfill short_ssh.py --from 2h
    tapline backfill short_ssh.py --from 2026-11-20 --to 2026-11-21T12:00 --publish
    """
    from tapline.commands.backfilling import backfill

    state: State = ctx.obj
    ctx.exit(backfill(state.configuration, scripts, begin, end, params, as_json=as_json, publish=publish))
