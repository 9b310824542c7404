"""What people do about alerts, as entries of the policy: acknowledgements and exclusions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tapline.policy.model import Acknowledgement
from tapline.policy.reading import entry
from topics.partitions import digest
from topics.records import Alert

EXCLUSIONS: Final = "exclusions"
_KEY_LENGTH: Final = 8


def acknowledgement(episode: str, author: str, comment: str, now: int) -> tuple[str, Struct]:
    """The entry, with its path, that says that somebody has seen to an episode; ``now`` in microseconds."""
    return f"acknowledgements/{episode}", Acknowledgement(episode=episode, author=author, comment=comment, time=now)


def telling(alert: Alert) -> dict[str, Any]:
    """What of an alert an exclusion has to fit to be about it and its like."""
    given = {"alert": alert.type, "entity": alert.entity, "signature": alert.signature}
    return {name: value for name, value in given.items() if value}


def exclusion(given: Mapping[str, Any], until: int, author: str, comment: str) -> tuple[str, Struct]:
    """The entry, with its path, that excludes what fits; ``until`` in microseconds, 0 for ever.

    The same thing excluded again has the same path. :class:`ValueError` when it would exclude every alert, or
    cannot be.
    """
    fields = {name: value for name, value in given.items() if value}
    if not fields:
        raise ValueError("this would exclude every alert: say what is to fit")
    key = digest(*(f"{name}={value}" for name, value in sorted(fields.items())))[:_KEY_LENGTH]
    return f"{EXCLUSIONS}/{key}", entry(
        EXCLUSIONS, key, fields | {"until": until, "author": author, "comment": comment}
    )
