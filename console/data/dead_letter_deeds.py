"""What people do about dead letters: send them again, or drop them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from pydantic import Field

from console.data.model import Answer
from console.errors import Missing, Mistake
from console.parts import Console
from topics import dead_deeds
from topics.dead_log import read_standings
from topics.records import DeadLetter

_WORDS: Final = {"retry": "sent dead letters again", "drop": "dropped dead letters"}
_DEEDS: Final[dict[str, Callable[..., dead_deeds.Done]]] = {"retry": dead_deeds.send_again, "drop": dead_deeds.drop}


class Handled(Answer):
    """What was done about dead letters."""

    said: str
    letters: dict[str, int] = Field(description="How many, by the topic they were in.")
    refused: dict[str, str] = Field(description="Why others could not be sent again, by their ids.")


def handle(console: Console, verb: str, letter: str, reason: str, author: str, comment: str) -> Handled:
    """``retry`` or ``drop`` one letter by its id, or all of a reason that wait.

    :class:`Missing` when none of them waits, :class:`Mistake` when none could be sent again.
    """
    if bool(letter) == bool(reason):
        raise Mistake("which dead letters? Name one by its id, or all of one reason")
    chosen = _one(console, letter) if letter else _of_reason(console, reason)
    about = letter or f"all of the reason {reason}"
    console.audit.write(author, _WORDS[verb], about, f"{len(chosen):,} of them. {comment}".strip())
    done = _DEEDS[verb](console.kafka, chosen, author, comment)
    not_sent = [f"{number:,} not: {why}" for why, number in Counter(done.refused.values()).most_common()]
    if not_sent and not done.letters:
        raise Mistake("; ".join(not_sent))
    said = "; ".join([dead_deeds.said_of(done), *not_sent])
    return Handled(said=said, letters=dict(done.letters), refused=done.refused)


def _one(console: Console, letter: str) -> list[DeadLetter]:
    standing = read_standings(console.kafka).get(letter)
    if standing is None:
        raise Missing("Kafka holds no such dead letter: it may be older than what is kept")
    if standing.mark is not None:
        raise Mistake(f"it was {standing.state} by {standing.mark.author or 'somebody'} already")
    return [standing.letter]


def _of_reason(console: Console, reason: str) -> list[DeadLetter]:
    found = [
        standing.letter
        for standing in read_standings(console.kafka).values()
        if standing.state == "waiting" and standing.letter.reason == reason
    ]
    if not found:
        raise Missing("no dead letter of this reason waits: somebody may have dealt with them already")
    return found
