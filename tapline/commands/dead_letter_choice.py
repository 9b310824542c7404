"""Which dead letters are meant: by id, or by what they are about."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from tapline.policy.units import duration, moment
from topics.dead_log import Standing, State
from topics.errors import TaplineError

LEAST_ID: Final = 4


class Choice(Struct, frozen=True, kw_only=True):
    """What is asked of letters; patterns have ``*`` and ``?``, ``since`` is in microseconds, 0 for ever.

    ``topic`` is the kind, as ``flow``, or the topic's whole name.
    """

    topic: str = "*"
    reason: str = "*"
    stage: str = "*"
    since: int = 0
    states: Sequence[State] = ("waiting",)

    @property
    def narrows(self) -> bool:
        """True when something but the state is asked."""
        return (self.topic, self.reason, self.stage, self.since) != ("*", "*", "*", 0)

    def fits(self, standing: Standing) -> bool:
        """True for a letter of which all of this is so."""
        letter = standing.letter
        return (
            standing.state in self.states
            and letter.time >= self.since
            and any(fnmatchcase(name, self.topic) for name in (letter.topic, kind_of(letter.topic)))
            and fnmatchcase(letter.reason, self.reason)
            and fnmatchcase(letter.stage, self.stage)
        )


def kind_of(topic: str) -> str:
    """The kind in a topic's name: ``flow`` of ``tapline.flow.v1``; other names stay as they are."""
    stem, dot, version = topic.rpartition(".v")
    return stem.rpartition(".")[2] if dot and version.isdigit() else topic


def since_when(given: str) -> int:
    """Microseconds since the epoch of ``2 h`` (ago) or of a date; 0 for an empty text."""
    if not given:
        return 0
    try:
        return time.time_ns() // 1000 - duration(given) * 1_000_000
    except ValueError:
        pass
    try:
        return moment(given)
    except ValueError as error:
        raise TaplineError(
            f"--since {given!r} is neither a length of time, as 2 h, nor a date, as 2026-12-31"
        ) from error


def one(standings: dict[str, Standing], identity: str) -> Standing:
    """The letter whose id begins so; :class:`TaplineError` when there is none or more than one."""
    if len(identity) < LEAST_ID:
        raise TaplineError(f"{identity!r} is too short for an id: give {LEAST_ID} letters or more")
    found = [standing for each, standing in standings.items() if each.startswith(identity)]
    if not found:
        raise TaplineError(f"there is no dead letter {identity}: see `tapline dlq list --state all`")
    if len(found) > 1:
        raise TaplineError(f"{len(found)} dead letters have an id that begins with {identity}: give more of it")
    return found[0]


def chosen(standings: dict[str, Standing], identities: Iterable[str], choice: Choice) -> list[Standing]:
    """The letters of these ids, or those that fit when none is given, the oldest first.

    :class:`TaplineError` when one that is named has been dealt with and the choice does not take such.
    """
    named = [one(standings, identity) for identity in identities]
    for standing in named:
        if standing.state not in choice.states and standing.mark is not None:
            raise TaplineError(
                f"{standing.letter.id[:12]} was {standing.state} by {standing.mark.author or 'somebody'}:"
                " give --force to do it all the same"
            )
    if named:
        return list({standing.letter.id: standing for standing in named}.values())
    return [standing for standing in standings.values() if choice.fits(standing)]
