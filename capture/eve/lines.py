"""Where lines begin and end."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 1 << 20
"""Most bytes of a line that are kept; an event with a long chain of certificates has some 100,000."""


class Lines:
    """Cuts bytes into lines, which end with LF.

    A line longer than ``longest`` is given as its first bytes, one more than that; its rest is skipped. What is kept
    never exceeds that and the bytes of one :meth:`feed`. ``taken`` is how many bytes the lines given so far have,
    ends included.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self.taken = 0
        self._longest = longest
        self._rest = b""
        self._skipping = False
        self._skipped = 0

    @property
    def rest(self) -> bytes:
        """What came after the last line's end, as far as it is kept."""
        return self._rest

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete, without their ends."""
        if self._skipping:
            end = data.find(b"\n")
            if end < 0:
                self._skipped += len(data)
                return []
            self.taken += self._skipped + end + 1
            self._skipping, self._skipped = False, 0
            data = data[end + 1 :]
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        rest = lines.pop()
        self.taken += len(data) - len(rest)
        # Most of what comes at once is shorter than that.
        if len(data) > self._longest and any(len(line) > self._longest for line in lines):
            lines = [line[: self._longest + 1] for line in lines]
        if len(rest) > self._longest:
            lines.append(rest[: self._longest + 1])
            self._skipping, self._skipped = True, len(rest)
            rest = b""
        self._rest = rest
        return lines
