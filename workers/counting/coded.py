"""Many meters of one key in one value, for groups of which most meters are 0 for most keys.

Of *sums* there are numbers ``count << 10 | code``: so much is to be added to the meter of this code. Of *sets* there
are ``code << 58 | member``. They travel as 64 bits each, in base64: they are many, and nobody looks at one.

What partitions have is merged by putting it side by side: the same code, or the same member, may then be there more
than once. What comes out does not depend on the order of merging. A set has the
:data:`~workers.counting.meters.MOST_MEMBERS` smallest members that each partition was given; when it has so many, there
are at least as many.
"""

from __future__ import annotations

from array import array
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from typing import Final

from workers.counting.meters import MOST_MEMBERS

CODE_BITS: Final = 10
CODES: Final = 1 << CODE_BITS
"""So many sums a key can have."""

MOST_COUNT: Final = (1 << 52) - 1
"""The largest count there can be: sums of some are exact in floating point."""

MEMBER_BITS: Final = 58
MOST_MEMBER: Final = (1 << MEMBER_BITS) - 1
"""The largest number that can be a member."""


def merged(one: list[str], other: list[str]) -> list[str]:
    """What two partitions have."""
    return one + other


def packed(numbers: bytes) -> str:
    """Coded numbers, 64 bits each in this machine's order of bytes, as they travel."""
    return b2a_base64(numbers, newline=False).decode()


def unpacked(texts: Iterable[str]) -> bytes:
    """What :func:`packed` was given, of several."""
    return b"".join(map(a2b_base64, texts))


def members_of(texts: Iterable[str]) -> dict[int, list[int]]:
    """The members of each code's set, at most as many as are told apart."""
    found: dict[int, list[int]] = {}
    for value in sorted(set(array("q", unpacked(texts)))):
        found.setdefault(value >> MEMBER_BITS, []).append(value & MOST_MEMBER)
    return {code: members[:MOST_MEMBERS] for code, members in found.items()}
