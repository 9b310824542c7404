"""Where messages begin and end in a stream: RFC 6587, which RFC 5425 uses as well."""

from __future__ import annotations

import re
from typing import Final

MAX_LENGTH_DIGITS: Final = 9
"""Longest message length that is taken for one; more digits are no length."""

_length = re.compile(rb"([1-9][0-9]{0,8}) ").match
_digits = re.compile(rb"[0-9]{1,9}\Z").match
_BETWEEN: Final = b"\r\n\0 "
_ENDING: Final = b"\r\0"


class BrokenFrame(ValueError):
    """The stream counts octets, and there is no length where one has to be: what follows cannot be read."""


class Framer:
    """Cuts the bytes of one connection into messages.

    The first bytes decide for the whole connection: a number and a space is octet counting, everything else is
    a message a line (non-transparent framing; LF, before which CR and NUL are taken off). A message longer
    than ``longest`` is cut there, its rest skipped: ``cut`` counts them, ``empty`` counts empty lines.
    With ``by_line`` nothing is decided: a line is a message. What is kept never exceeds ``longest`` and the bytes
    of one :meth:`feed`.
    """

    def __init__(self, longest: int, *, by_line: bool = False) -> None:
        self.cut = 0
        self.empty = 0
        self._longest = longest
        self._counted: bool | None = False if by_line else None
        self._rest = b""
        self._skip = 0
        self._skipping = False

    @property
    def pending(self) -> bool:
        """True while a message has begun and not ended."""
        return bool(self._rest) or self._skip > 0 or self._skipping

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete; :class:`BrokenFrame` when they cannot be told apart any more.

        The messages before the break are those that :meth:`feed` gave so far and the exception's first argument.
        """
        data = self._rest + data
        self._rest = b""
        if self._counted is None:
            data = data.lstrip(_BETWEEN)
            if not data:
                return []
            if _digits(data):
                self._rest = data
                return []
            self._counted = _length(data) is not None
        return self._by_count(data) if self._counted else self._by_line(data)

    def end(self) -> tuple[list[bytes], bytes]:
        """At the end of the stream: the last message where it needs no end, and what is left of one that does."""
        rest, self._rest = self._rest, b""
        whole = not self._counted and not self._skipping and rest.strip(_BETWEEN)
        self._skip, self._skipping = 0, False
        return ([rest.rstrip(_ENDING)], b"") if whole else ([], rest)

    def _by_line(self, data: bytes) -> list[bytes]:
        if self._skipping:
            end = data.find(b"\n")
            if end < 0:
                return []
            self._skipping = False
            data = data[end + 1 :]
        lines = data.split(b"\n")
        rest = lines.pop()
        longest = self._longest
        if len(rest) > longest:
            lines.append(rest)
            self._skipping = True
        else:
            self._rest = rest
        messages = []
        for line in lines:
            if len(line) > longest:
                if line[longest:].strip(_ENDING):
                    self.cut += 1
                messages.append(line[:longest])
                continue
            message = line.rstrip(_ENDING)
            if message:
                messages.append(message)
            else:
                self.empty += 1
        return messages

    def _by_count(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            if self._skip:
                taken = min(self._skip, end - position)
                self._skip -= taken
                position += taken
                continue
            if data[position] in _BETWEEN:
                position += 1
                continue
            match = _length(data, position)
            if match is None:
                if end - position <= MAX_LENGTH_DIGITS and _digits(data, position):
                    break
                raise BrokenFrame(messages, data[position : position + self._longest])
            length, start = int(match[1]), match.end()
            if length > self._longest:
                if end - start < self._longest:
                    break
                self.cut += 1
                messages.append(data[start : start + self._longest])
                self._skip = length - self._longest
                position = start + self._longest
                continue
            if end - start < length:
                break
            message = data[start : start + length].rstrip(b"\r\n\0")
            if message:
                messages.append(message)
            else:
                self.empty += 1
            position = start + length
        self._rest = data[position:]
        return messages
