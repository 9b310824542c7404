"""Preparing what keeps the documents and what shows them."""

from __future__ import annotations

import click
import msgspec
from msgspec import Struct, field

from exporters.elasticsearch.connection import connect
from exporters.elasticsearch.server import has_lifecycle
from exporters.elasticsearch.setup import Change, apply
from exporters.kibana.importing import Kibana, Outcome
from exporters.kibana.saved_objects import ndjson
from exporters.kibana.settings import KibanaSettings
from tapline.commands.keeping import lifecycle_line, print_changes
from tapline.commands.output import print_table
from tapline.configuration import Configuration
from topics.errors import TaplineError


class Object(Struct, frozen=True):
    """One of Kibana's objects and what came of it, in words."""

    type: str
    id: str
    outcome: str


class Prepared(Struct, frozen=True, kw_only=True):
    """What was done; ``kibana`` is where the dashboards were brought, empty where they were not.

    ``lifecycle`` is whether Elasticsearch has lifecycle management.
    """

    changes: list[Change]
    lifecycle: bool
    kibana: str = ""
    space: str = ""
    created: list[Object] = field(default_factory=list)
    overwritten: list[Object] = field(default_factory=list)
    refused: list[Object] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """True where everything is as it should be now."""
        return not self.refused and all(change.action != "kept" for change in self.changes)


def prepare(configuration: Configuration, url: str | None, space: str | None) -> Prepared:
    """Put what Elasticsearch needs, and dashboards where a Kibana is named; ``url`` and ``space`` stand above the file.

    :class:`TaplineError` where one of both cannot be reached, before anything was changed.
    """
    kibana = _settings(configuration.kibana, url, space)
    if not kibana.url:
        changes, lifecycle = _elasticsearch(configuration)
        return Prepared(changes=changes, lifecycle=lifecycle)
    with Kibana(kibana) as target:
        target.check()
        changes, lifecycle = _elasticsearch(configuration)
        outcome = target.import_objects(ndjson())
    return Prepared(changes=changes, lifecycle=lifecycle, kibana=target.where, space=kibana.space, **_objects(outcome))


def print_prepared(done: Prepared) -> None:
    """Print it for people: each thing in Elasticsearch that was changed, and each of Kibana's objects."""
    if done.changes:
        print_changes(done.changes)
    else:
        click.echo("Elasticsearch has all of it already.")
    click.echo(lifecycle_line(has_lifecycle=done.lifecycle))
    if not done.kibana:
        return
    click.echo()
    objects = [*done.created, *done.overwritten, *done.refused]
    print_table(("object", "of Kibana", ""), [(each.id, each.type, each.outcome) for each in objects])
    click.echo(
        f"\nKibana at {done.kibana}, space {done.space}: {len(done.created)} objects created,"
        f" {len(done.overwritten)} overwritten, {len(done.refused)} refused."
    )


def _settings(settings: KibanaSettings, url: str | None, space: str | None) -> KibanaSettings:
    given = {"url": url, "space": space}
    changed = msgspec.to_builtins(settings) | {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(changed, KibanaSettings)
    except msgspec.ValidationError as error:
        raise TaplineError(f"--space: {space!r} is no space's name ({error})") from error


def _elasticsearch(configuration: Configuration) -> tuple[list[Change], bool]:
    client = connect(configuration.elasticsearch)
    try:
        return apply(client, configuration.elasticsearch), has_lifecycle(client)
    finally:
        client.close()


def _objects(outcome: Outcome) -> dict[str, list[Object]]:
    return {
        "created": [Object(each.type, each.id, each.outcome) for each in outcome.imported if not each.overwrite],
        "overwritten": [Object(each.type, each.id, each.outcome) for each in outcome.imported if each.overwrite],
        "refused": [Object(each.type, each.id, each.outcome) for each in outcome.refused],
    }
