"""What people do about dead letters: send them again, or drop them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from tapline.commands.dead_letter_choice import Choice, chosen
from tapline.commands.output import print_json
from topics import dead_deeds
from topics.dead_deeds import Done, letters_in_words, said_of
from topics.dead_log import read_standings
from topics.errors import TaplineError
from topics.records import DeadLetter
from topics.settings import KafkaSettings


def retry(
    kafka: KafkaSettings, identities: Sequence[str], choice: Choice, author: str, comment: str, *, dry_run: bool
) -> Done:
    """Send letters again and mark them."""
    return dead_deeds.send_again(kafka, _chosen(kafka, identities, choice), author, comment, dry_run=dry_run)


def drop(
    kafka: KafkaSettings, identities: Sequence[str], choice: Choice, author: str, comment: str, *, dry_run: bool
) -> Done:
    """Say of letters that nothing more is to be done about them."""
    return dead_deeds.drop(kafka, _chosen(kafka, identities, choice), author, comment, dry_run=dry_run)


def check_chosen(identities: Sequence[str], choice: Choice, *, everything: bool) -> None:
    """See that somebody has said which letters; :class:`TaplineError` otherwise."""
    if identities and (everything or choice.narrows):
        raise TaplineError("an ID says which dead letter: leave out --all and what narrows them")
    if not (identities or everything or choice.narrows):
        raise TaplineError("which dead letters? Give IDs, --topic, --reason, --stage or --since, or --all")


def print_done(done: Done, *, as_json: bool) -> None:
    """Print what was done; :class:`TaplineError` when some could not be sent."""
    if as_json:
        print_json(done)
    else:
        click.echo(said_of(done))
        for why, number in Counter(done.refused.values()).most_common():
            click.echo(f"{number:,} not: {why}")
    if done.refused:
        raise TaplineError(
            f"{letters_in_words(len(done.refused))} cannot be sent again: see `tapline dlq show ID`, or drop them"
        )


def _chosen(kafka: KafkaSettings, identities: Sequence[str], choice: Choice) -> list[DeadLetter]:
    return [standing.letter for standing in chosen(read_standings(kafka), identities, choice)]
