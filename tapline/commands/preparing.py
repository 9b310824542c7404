"""Preparing what keeps the documents and what shows them."""

from __future__ import annotations

import click
import msgspec
from msgspec import Struct, field

from exporters.elasticsearch.connection import connect
from exporters.elasticsearch.templates import Change
from exporters.elasticsearch.templates import setup as put_templates
from exporters.kibana.importing import Kibana, Outcome
from exporters.kibana.saved_objects import ndjson
from exporters.kibana.settings import KibanaSettings
from tapline.commands.output import print_table
from tapline.configuration import Configuration
from topics.errors import TaplineError


class Object(Struct, frozen=True):
    """One of Kibana's objects and what came of it, in words."""

    type: str
    id: str
    outcome: str


class Prepared(Struct, frozen=True, kw_only=True):
    """What was done; ``kibana`` is where the dashboards were brought, empty where they were not."""

    templates: list[Change]
    kibana: str = ""
    space: str = ""
    created: list[Object] = field(default_factory=list)
    overwritten: list[Object] = field(default_factory=list)
    refused: list[Object] = field(default_factory=list)


def prepare(configuration: Configuration, url: str | None, space: str | None) -> Prepared:
    """Put the index templates, and the dashboards where a Kibana is named; ``url`` and ``space`` come before the file.

    :class:`TaplineError` where one of both cannot be reached, before anything was changed.
    """
    kibana = _settings(configuration.kibana, url, space)
    if not kibana.url:
        return Prepared(templates=_templates(configuration))
    with Kibana(kibana) as target:
        target.check()
        templates = _templates(configuration)
        outcome = target.import_objects(ndjson())
    return Prepared(templates=templates, kibana=target.where, space=kibana.space, **_objects(outcome))


def print_prepared(done: Prepared) -> None:
    """Print it for people: each template that was changed, and each of Kibana's objects."""
    if done.templates:
        rows = [(each.name, each.kind, each.action) for each in done.templates]
        print_table(("template", "of Elasticsearch", ""), rows)
    else:
        click.echo("Elasticsearch has all index templates already.")
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


def _templates(configuration: Configuration) -> list[Change]:
    client = connect(configuration.elasticsearch)
    try:
        return put_templates(client, configuration.elasticsearch)
    finally:
        client.close()


def _objects(outcome: Outcome) -> dict[str, list[Object]]:
    return {
        "created": [Object(each.type, each.id, each.outcome) for each in outcome.imported if not each.overwrite],
        "overwritten": [Object(each.type, each.id, each.outcome) for each in outcome.imported if each.overwrite],
        "refused": [Object(each.type, each.id, each.outcome) for each in outcome.refused],
    }
