"""What an exporter has sent that did not come."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

_WRAP: Final = 1 << 32
_FAR: Final = 1 << 20
"""More missing than that means that the exporter has begun anew."""

_LATE: Final = 1000
"""How many units before what is expected a datagram may be that was only late."""


class Step(Struct, frozen=True):
    """How a datagram follows the one before: ``kind`` is empty when it is the next one.

    ``gap``: ``missing`` units did not come; ``reordered``: it is one that came late, or twice; ``restart``: the
    exporter counts from elsewhere.
    """

    kind: str = ""
    missing: int = 0


_NEXT: Final = Step()
_REORDERED: Final = Step("reordered")
_RESTART: Final = Step("restart")


class Sequence:
    """Follows the sequence numbers (32 bits, wrapping) of one exporter; what they count differs by protocol.

    ``expected`` is the number of the next datagram, -1 where it is not known.
    """

    __slots__ = ("expected",)

    def __init__(self, expected: int = -1) -> None:
        self.expected = expected

    def follow(self, number: int, units: int | None) -> Step:
        """A datagram with this number has come, and with it so many units (``None``: not known)."""
        expected = self.expected
        step = _NEXT
        if expected >= 0 and number != expected:
            ahead = (number - expected) % _WRAP
            if ahead < _FAR:
                step = Step("gap", ahead)
            elif _WRAP - ahead <= _LATE and number:
                return _REORDERED
            else:
                step = _RESTART
        self.expected = -1 if units is None else (number + units) % _WRAP
        return step
