"""`tapline status`: how everything is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapline.commands.output import age, megabytes, print_json, print_table
from tapline.commands.state import State

if TYPE_CHECKING:
    from tapline.commands.backlog import Backlog
    from tapline.configuration import Configuration


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Show the engines, what waits in Kafka and since when, and what Elasticsearch holds.

    A row for each consumer group, of workers and exporters, and topic: the messages there are, how many of them the
    group has not committed, and how long ago Kafka took the oldest of those.

    Exit code 1 when Kafka or Elasticsearch cannot be reached.

    \b
    tapline status
    tapline status --json | jq .documents
    """
    from tapline.commands.backlog import whole_backlog
    from tapline.services import local
    from topics.errors import TaplineError

    state: State = ctx.obj
    configuration = state.configuration
    engines = local.status(configuration.services)
    problems: list[str] = []
    waiting: list[Backlog] = []
    documents: dict[str, int] = {}
    engaged = 0
    try:
        waiting = whole_backlog(configuration, ages=True)
    except TaplineError as error:
        problems.append(str(error))
    try:
        documents, engaged = _documents(configuration)
    except TaplineError as error:
        problems.append(str(error))
    if as_json:
        print_json(
            {"engines": engines, "backlog": waiting, "documents": documents, "engaged": engaged, "problems": problems}
        )
    else:
        print_table(
            ("engine", "state", "address", "process", "memory", "version"),
            [
                (
                    it.name,
                    "ready" if it.ready else "starting" if it.pid else "not running",
                    it.address,
                    str(it.pid or ""),
                    megabytes(it.resident_bytes) if it.pid else "",
                    it.version,
                )
                for it in engines
            ],
        )
        for it in engines:
            if it.pid and Path(it.folder).parent != Path(configuration.services.folder).resolve():
                click.echo(f"{it.name} keeps its files in {it.folder}")
        if waiting:
            click.echo()
            print_table(
                ("consumer group", "topic", "messages", "waiting", "oldest"),
                [(it.group, it.topic, it.messages, it.waiting, age(it.oldest_seconds)) for it in waiting],
            )
        if documents:
            click.echo()
            print_table(("data stream", "documents"), documents.items())
            click.echo(f"\n{engaged:,} alerts are engaged: `tapline alerts list` shows them")
        for problem in problems:
            click.echo(f"tapline: {problem}", err=True)
    ctx.exit(1 if problems else 0)


def _documents(configuration: Configuration) -> tuple[dict[str, int], int]:
    from tapline.commands.holdings import Holdings

    with Holdings(configuration.elasticsearch) as holdings:
        return holdings.documents(), holdings.engaged()
