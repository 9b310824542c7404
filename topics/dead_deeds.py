"""What is done about dead letters: they are sent again, or dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from topics.admin import partition_counts
from topics.dead_log import DeadLetterWriter, read_whole
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


def send_again(
    kafka: KafkaSettings, chosen: Sequence[DeadLetter], author: str, comment: str, *, dry_run: bool = False
) -> Done:
    """Send letters again (their values are read anew) and mark them; :class:`TaplineError` where Kafka is away.

    A letter is marked when Kafka has what was sent for it: when this is interrupted in between, the letter still
    waits and is sent once more, which its reader recognises.
    """
    done = Done(what="sent again", dry_run=dry_run)
    wanted = dict.fromkeys(letter.id for letter in chosen)
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
    kafka: KafkaSettings, chosen: Sequence[DeadLetter], author: str, comment: str, *, dry_run: bool = False
) -> Done:
    """Say of letters that nothing more is to be done about them; :class:`TaplineError` where Kafka is away."""
    done = Done(what="dropped", dry_run=dry_run)
    done.letters.update(letter.topic for letter in chosen)
    if chosen and not dry_run:
        with DeadLetterWriter(kafka, author, comment) as writer:
            for begin in range(0, len(chosen), _AT_ONCE):
                writer.mark(list(chosen[begin : begin + _AT_ONCE]), "dropped")
    return done


def said_of(done: Done) -> str:
    """One line of what was done."""
    would = "would be " if done.dry_run else ""
    where = ", ".join(f"{number:,} of {topic}" for topic, number in sorted(done.letters.items()))
    return f"{letters_in_words(done.letters.total())} {would}{done.what}{': ' if where else ''}{where}"


def letters_in_words(number: int) -> str:
    """How many letters, as people say it."""
    return "1 dead letter" if number == 1 else f"{number:,} dead letters"


def _settle(writer: DeadLetterWriter, messages: list[Resent], letters: list[DeadLetter]) -> None:
    writer.send(messages)
    writer.mark(letters, "retried")
    messages.clear()
    letters.clear()
