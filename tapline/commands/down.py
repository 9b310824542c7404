"""`tapline down`: stop the engines of this machine."""

from __future__ import annotations

import click

from tapline.commands.output import Progress
from tapline.commands.state import State


@click.command()
@click.option("--forget", is_flag=True, help="Remove their data too, and what the demo left.")
@click.pass_obj
def command(state: State, *, forget: bool) -> None:
    """Stop Kafka and Elasticsearch as started by `tapline up`; their data stay.

    \b
    tapline down
    tapline down --forget     stop and begin afresh the next time
    """
    from tapline.services import local

    progress = Progress()
    if not local.down(state.configuration.services, progress):
        click.echo("nothing was running")
    if forget:
        local.forget(state.configuration.services)
        progress("forgot what they held")
    progress.close()
