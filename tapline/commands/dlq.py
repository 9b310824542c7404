"""`tapline dlq`: dead letters, what could not be used, and what is done about it."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from tapline.commands.state import State

if TYPE_CHECKING:
    from tapline.commands.dead_letter_choice import Choice

_ID = click.argument("identities", metavar="[ID]...", nargs=-1)
_ALL = click.option("--all", "everything", is_flag=True, help="Every one that waits.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
_FORCE = click.option("--force", is_flag=True, help="Also those that were retried or dropped already.")
_COMMENT = click.option("--comment", default="", help="Why.")
_AUTHOR = click.option("--author", default=getpass.getuser, help="Who does it (default: the user).")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


def _narrowing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which letters."""
    for option in (
        click.option("--since", default="", metavar="WHEN", help="Not older: 2 h, 7 d, or a date (UTC)."),
        click.option("--stage", default="*", metavar="PATTERN", help="worker, exporter-elasticsearch, capture."),
        click.option("--reason", default="*", metavar="PATTERN", help="undecodable, document_parsing_exception …"),
        click.option("--topic", default="*", metavar="PATTERN", help="Kind or name of the topic, with * and ?."),
    ):
        command = option(command)
    return command


@click.group()
def command() -> None:
    """See dead letters, send them again once the cause is mended, or drop them.

    A dead letter is a message or record that a stage could not use, with the reason. An ID's first letters do.

    \b
    tapline dlq list
    tapline dlq show 3f2a91
    tapline dlq retry --reason document_parsing_exception --comment "mapping mended"
    tapline dlq drop 3f2a91 --comment "test traffic"
    """


@command.command("list")
@_narrowing
@click.option(
    "--state",
    "state_name",
    type=click.Choice(["waiting", "retried", "dropped", "all"]),
    default="waiting",
    show_default=True,
    help="Those of which this was done.",
)
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_letters(
    state: State, topic: str, reason: str, stage: str, since: str, state_name: str, limit: int, *, as_json: bool
) -> None:
    """List dead letters, the newest first; their time is when Kafka took the message.

    \b
    tapline dlq list --topic flow --since 2h
    tapline dlq list --state all --json | jq .reason
    """
    from tapline.commands import dead_letter_listing

    choice = _choice(topic, reason, stage, since, state_name)
    dead_letter_listing.print_list(state.configuration.kafka, choice, limit, as_json=as_json)


@command.command()
@click.argument("identity", metavar="ID")
@_JSON
@click.pass_obj
def show(state: State, identity: str, *, as_json: bool) -> None:
    """Say everything about a dead letter: where it is from, what is wrong, its headers and what can be read of it."""
    from tapline.commands import dead_letter_listing

    dead_letter_listing.print_letter(state.configuration.kafka, identity, as_json=as_json)


@command.command()
@_ID
@_narrowing
@_ALL
@_DRY_RUN
@_FORCE
@_COMMENT
@_AUTHOR
@_JSON
@click.pass_obj
def retry(
    state: State,
    identities: tuple[str, ...],
    topic: str,
    reason: str,
    stage: str,
    since: str,
    comment: str,
    author: str,
    *,
    everything: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Send dead letters again, to the stage that could not use them, once its cause is mended.

    What was sent is marked and not sent again without --force; doing it twice counts nothing twice. What still
    cannot be read is not sent. Exit code 1 when some could not be.

    \b
    tapline dlq retry --all --dry-run
    tapline dlq retry --topic flow --reason "mapper_*" --comment "mapping mended"
    """
    from tapline.commands import dead_letter_changes as changes

    choice = _choice(topic, reason, stage, since, "all" if force else "waiting")
    changes.check_chosen(identities, choice, everything=everything)
    kafka = state.configuration.kafka
    changes.print_done(changes.retry(kafka, identities, choice, author, comment, dry_run=dry_run), as_json=as_json)


@command.command()
@_ID
@_narrowing
@_ALL
@_DRY_RUN
@_FORCE
@_COMMENT
@_AUTHOR
@_JSON
@click.pass_obj
def drop(
    state: State,
    identities: tuple[str, ...],
    topic: str,
    reason: str,
    stage: str,
    since: str,
    comment: str,
    author: str,
    *,
    everything: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Say that nothing more is to be done about dead letters; Kafka keeps them as long as others.

    \b
    tapline dlq drop 3f2a91 --comment "a scanner's garbage"
    tapline dlq drop --stage capture --since 1d
    """
    from tapline.commands import dead_letter_changes as changes

    choice = _choice(topic, reason, stage, since, "all" if force else "waiting")
    changes.check_chosen(identities, choice, everything=everything)
    kafka = state.configuration.kafka
    changes.print_done(changes.drop(kafka, identities, choice, author, comment, dry_run=dry_run), as_json=as_json)


def _choice(topic: str, reason: str, stage: str, since: str, state_name: str) -> Choice:
    from tapline.commands.dead_letter_choice import Choice, since_when

    states: Any = ("waiting", "retried", "dropped") if state_name == "all" else (state_name,)
    return Choice(topic=topic, reason=reason, stage=stage, since=since_when(since), states=states)
