"""What Elasticsearch has and how long it keeps documents, for commands."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

import click
from msgspec import Struct

from exporters.elasticsearch.connection import connect
from exporters.elasticsearch.pruning import Pruned, prune
from exporters.elasticsearch.server import has_lifecycle, versions
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.setup import Change, compare
from tapline.commands.output import megabytes, print_table
from topics.errors import TaplineError


class Checked(Struct, frozen=True, kw_only=True):
    """What was found: the versions of the nodes, whether there is lifecycle management, what setup would do."""

    versions: list[str]
    lifecycle: bool
    differences: list[Change]


class Kept(Struct, frozen=True, kw_only=True):
    """What pruning did, or would do where ``dry`` is true; nothing where the server has lifecycle management.

    ``problem`` is what ended it too early.
    """

    dry: bool
    lifecycle: bool
    indices: list[Pruned]
    problem: str = ""


def check_elasticsearch(settings: ElasticsearchSettings) -> Checked:
    """Compare what Elasticsearch has with what this program needs."""
    client = connect(settings)
    try:
        return Checked(
            versions=versions(client), lifecycle=has_lifecycle(client), differences=compare(client, settings)
        )
    finally:
        client.close()


def print_checked(found: Checked) -> None:
    """Print it for people."""
    click.echo(f"Elasticsearch {', '.join(found.versions)}")
    click.echo(lifecycle_line(has_lifecycle=found.lifecycle))
    if not found.differences:
        click.echo("Everything is as it should be.")
        return
    click.echo("\nWhat `tapline export setup` would do:")
    print_changes(found.differences)


def print_changes(changes: Iterable[Change]) -> None:
    """Print what was done with templates, policies and data streams, or would be."""
    rows = [(each.name, each.kind, f"{each.action}: {each.reason}" if each.reason else each.action) for each in changes]
    print_table(("name", "of Elasticsearch", ""), rows)


def lifecycle_line(*, has_lifecycle: bool) -> str:
    """Who rolls over and deletes, as a sentence."""
    if has_lifecycle:
        return "Lifecycle: by the server, with the policies tapline-*."
    return "Lifecycle: this server has no lifecycle management (ILM): run `tapline export prune` every day."


def prune_elasticsearch(settings: ElasticsearchSettings, *, dry: bool) -> Kept:
    """Roll over and delete as the settings say, unless the server does it by itself."""
    client = connect(settings)
    try:
        if has_lifecycle(client):
            return Kept(dry=dry, lifecycle=True, indices=[])
        done: list[Pruned] = []
        try:
            done.extend(prune(client, settings, dry=dry))
        except TaplineError as error:
            return Kept(dry=dry, lifecycle=False, indices=done, problem=str(error))
        return Kept(dry=dry, lifecycle=False, indices=done)
    finally:
        client.close()


def print_kept(done: Kept, settings: ElasticsearchSettings) -> None:
    """Print it for people: each index, and what became of it."""
    if done.lifecycle:
        click.echo(lifecycle_line(has_lifecycle=True) + " Nothing is left to do here.")
        return
    if done.indices:
        print_table(
            ("index", "documents", "size", "newest document", "rolled over", ""),
            [_row(each, dry=done.dry) for each in done.indices],
        )
    deleted, rolled = (sum(each.action == action for each in done.indices) for action in ("deleted", "rolled over"))
    would = "would be " if done.dry else ""
    click.echo(f"{deleted:,} of {len(done.indices):,} indices {would}deleted, {rolled:,} {would}rolled over.")
    lifecycle = settings.lifecycle
    if lifecycle.delete_days is None and not lifecycle.delete_days_of:
        click.echo("Nothing is deleted before elasticsearch.lifecycle.delete_days is set.")


def _row(each: Pruned, *, dry: bool) -> tuple[object, ...]:
    would = "would be " if dry and each.action != "kept" else ""
    return (
        each.index,
        each.documents,
        megabytes(each.size),
        _day(each.newest),
        _day(each.closed),
        f"{would}{each.action}",
    )


def _day(moment: float | None) -> str | None:
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).date().isoformat()
    except (OverflowError, ValueError):
        return f"{moment - time.time():+,.0f} s from now"
