"""The part of BER (ITU-T X.690) that SNMP is written in: RFC 3417, 8."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

INTEGER: Final = 0x02
OCTETS: Final = 0x04
NULL: Final = 0x05
OBJECT: Final = 0x06
SEQUENCE: Final = 0x30
ADDRESS: Final = 0x40
_UNSIGNED: Final = frozenset({0x41, 0x42, 0x43, 0x46})
"""Counter32, Gauge32, TimeTicks and Counter64 (RFC 2578)."""

_EXCEPTIONS: Final = {0x80: "noSuchObject", 0x81: "noSuchInstance", 0x82: "endOfMibView"}
_MOST_ARCS: Final = 128
_LARGEST_ARC: Final = (1 << 32) - 1
"""RFC 2578, 3.5."""

_LONGEST_INTEGER: Final = 9
"""Octets of an integer: 64 bits, and one that says that it is not negative."""


class BerError(ValueError):
    """These bytes are not what they should be."""


class Reader:
    """Reads the elements that stand one after the other in a part of some bytes."""

    __slots__ = ("_data", "_end", "position")

    def __init__(self, data: bytes, start: int = 0, end: int = -1) -> None:
        self._data = data
        self._end = len(data) if end < 0 else end
        self.position = start

    @property
    def more(self) -> bool:
        """True while there is another element."""
        return self.position < self._end

    def next(self) -> tuple[int, int, int]:
        """The next element's tag, and where its content begins and ends; :class:`BerError` where there is none.

        Tags of more than one octet and lengths that are not said beforehand are not of SNMP.
        """
        data, position, end = self._data, self.position, self._end
        if end - position < 2:
            raise BerError("it ends where an element has to be")
        tag, length = data[position], data[position + 1]
        position += 2
        if tag & 0x1F == 0x1F:
            raise BerError(f"an element has the tag {tag:#04x}")
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4 or octets > end - position:
                raise BerError("a length cannot be")
            length = int.from_bytes(data[position : position + octets], "big")
            position += octets
        if length > end - position:
            raise BerError(f"an element of {length} octets has room for {end - position}")
        self.position = position + length
        return tag, position, position + length

    def tag(self) -> int:
        """The tag of the next element, which stays the next; :class:`BerError` where there is none."""
        before = self.position
        found, _, _ = self.next()
        self.position = before
        return found

    def inner(self, tag: int) -> Reader:
        """A reader of what stands in the next element, which has to have this tag."""
        start, end = self._expected(tag)
        return Reader(self._data, start, end)

    def integer(self) -> int:
        """The next element, an integer."""
        return signed(self._data, *self._expected(INTEGER))

    def octets(self) -> bytes:
        """The next element, octets."""
        start, end = self._expected(OCTETS)
        return self._data[start:end]

    def identifier(self) -> str:
        """The next element, an object identifier in numbers."""
        return identifier(self._data, *self._expected(OBJECT))

    def address(self) -> str:
        """The next element, an IPv4 address."""
        return value_text(ADDRESS, self._data, *self._expected(ADDRESS))

    def number(self) -> int:
        """The next element, a number of any kind."""
        tag, start, end = self.next()
        if tag != INTEGER and tag not in _UNSIGNED:
            raise BerError(f"an element has the tag {tag:#04x} instead of that of a number")
        return int(value_text(tag, self._data, start, end))

    def value(self) -> str:
        """The next element, a value of any kind, as text."""
        tag, start, end = self.next()
        return value_text(tag, self._data, start, end)

    def _expected(self, tag: int) -> tuple[int, int]:
        found, start, end = self.next()
        if found != tag:
            raise BerError(f"an element has the tag {found:#04x} instead of {tag:#04x}")
        return start, end


def signed(data: bytes, start: int, end: int) -> int:
    """An integer in two's complement; :class:`BerError` when it is none of SNMP's."""
    if not 1 <= end - start <= _LONGEST_INTEGER:
        raise BerError(f"an integer has {end - start} octets")
    return int.from_bytes(data[start:end], "big", signed=True)


def identifier(data: bytes, start: int, end: int) -> str:
    """An object identifier in numbers, as ``1.3.6.1``; :class:`BerError` when it is none."""
    if start == end:
        raise BerError("an object identifier is empty")
    if data[end - 1] & 0x80:
        raise BerError("an object identifier ends within a number")
    arcs: list[int] = []
    arc = 0
    for octet in data[start:end]:
        arc = arc << 7 | octet & 0x7F
        if arc > _LARGEST_ARC:
            raise BerError("an object identifier has a number that is too large")
        if not octet & 0x80:
            if not arcs:
                arcs.append(min(arc // 40, 2))
                arc -= arcs[0] * 40
            arcs.append(arc)
            arc = 0
            if len(arcs) > _MOST_ARCS:
                raise BerError(f"an object identifier has more than {_MOST_ARCS} numbers")
    return ".".join(map(str, arcs))


def value_text(tag: int, data: bytes, start: int, end: int) -> str:
    """A value as text: numbers in decimal, octets as what they say, or in hex where they say nothing."""
    if tag == INTEGER:
        return str(signed(data, start, end))
    if tag in _UNSIGNED:
        if not 1 <= end - start <= _LONGEST_INTEGER:
            raise BerError(f"a number has {end - start} octets")
        return str(int.from_bytes(data[start:end], "big"))
    if tag == OBJECT:
        return identifier(data, start, end)
    if tag == ADDRESS:
        if end - start != 4:
            raise BerError(f"an IP address has {end - start} octets")
        return str(IPv4Address(data[start:end]))
    if tag == NULL:
        return ""
    if tag in _EXCEPTIONS:
        return _EXCEPTIONS[tag]
    return octets_text(data[start:end])


def octets_text(octets: bytes) -> str:
    """Octets as text where they are text, else in hex as ``0x0a1b``."""
    try:
        text = octets.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return f"0x{octets.hex()}"
    return text if all(character.isprintable() or character in "\t\r\n" for character in text) else f"0x{octets.hex()}"
