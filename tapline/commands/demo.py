"""`tapline demo`: the whole way, on this machine."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Send the demo capture through Kafka and the workers to Elasticsearch, and count what arrives.

    Starts the engines if they do not run (they stay until `tapline down`), two workers and the exporter.
    Exit code 1 when what arrived differs from what was sent. Running it again adds nothing.

    \b
    tapline demo
    tapline demo --json | jq .rows
    """
    from tapline.commands.demonstration import Demonstration, print_result
    from tapline.commands.output import print_json

    state: State = ctx.obj
    result = Demonstration(state.configuration).run()
    if as_json:
        print_json(result)
    else:
        print_result(result)
    ctx.exit(0 if result.complete else 1)
