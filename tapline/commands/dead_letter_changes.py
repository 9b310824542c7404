"""What people do about dead letters: send them again, or drop them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import click
from msgspec import Struct, field

from tapline.commands.dead_letter_choice import Choice, chosen
from tapline.commands.output import print_json
from topics.admin import partition_counts
from topics.dead_log import DeadLetterWriter, read_standings, read_whole
from topics.errors import TaplineError
from topics.records import DeadLetter
from topics.resending import NotAgain, Resent, resent
from topics.settings import KafkaSettings

_AT_ONCE: Final = 100
_BYTES_AT_ONCE: Final = 16 * 1024 * 1024
"""How many letters, and bytes of messages, are sent before those sent are marked."""


class Done(Struct, kw_only=True):
    """What was done, or would be: how many letters, by topic, and why others could not be sent, by id."""

    what: str
    dry_run: bool
    letters: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)


def retry(
    kafka: KafkaSettings, identities: Sequence[str], choice: Choice, author: str, comment: str, *, dry_run: bool
) -> Done:
    """Send letters again and mark them.

    A letter is marked when Kafka has what was sent for it: when this is interrupted in between, the letter still
    waits and is sent once more, which its reader recognises.
    """
    done = Done(what="sent again", dry_run=dry_run)
    wanted = {standing.letter.id: None for standing in chosen(read_standings(kafka), identities, choice)}
    partitions = partition_counts(kafka)
    with DeadLetterWriter(kafka, author, comment) as writer:
        messages: list[Resent] = []
        letters: list[DeadLetter] = []
        for letter in read_whole(kafka, wanted):
            try:
                made = resent(letter, kafka.prefix, partitions)
            except NotAgain as error:
                done.refused[letter.id] = str(error)
                continue
            done.letters[letter.topic] += 1
            if dry_run:
                continue
            messages.append(made)
            letters.append(letter)
            if len(letters) >= _AT_ONCE or sum(len(each.body) for each in messages) >= _BYTES_AT_ONCE:
                _settle(writer, messages, letters)
        if letters:
            _settle(writer, messages, letters)
    return done


def drop(
    kafka: KafkaSettings, identities: Sequence[str], choice: Choice, author: str, comment: str, *, dry_run: bool
) -> Done:
    """Say of letters that nothing more is to be done about them."""
    done = Done(what="dropped", dry_run=dry_run)
    letters = [standing.letter for standing in chosen(read_standings(kafka), identities, choice)]
    done.letters.update(letter.topic for letter in letters)
    if letters and not dry_run:
        with DeadLetterWriter(kafka, author, comment) as writer:
            for begin in range(0, len(letters), _AT_ONCE):
                writer.mark(letters[begin : begin + _AT_ONCE], "dropped")
    return done


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
        would = "would be " if done.dry_run else ""
        where = ", ".join(f"{number:,} of {topic}" for topic, number in sorted(done.letters.items()))
        click.echo(f"{_letters(done.letters.total())} {would}{done.what}{': ' if where else ''}{where}")
        for why, number in Counter(done.refused.values()).most_common():
            click.echo(f"{number:,} not: {why}")
    if done.refused:
        raise TaplineError(
            f"{_letters(len(done.refused))} cannot be sent again: see `tapline dlq show ID`, or drop them"
        )


def _letters(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number:,} dead letters"


def _settle(writer: DeadLetterWriter, messages: list[Resent], letters: list[DeadLetter]) -> None:
    writer.send(messages)
    writer.mark(letters, "retried")
    messages.clear()
    letters.clear()
