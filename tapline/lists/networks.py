"""Networks of IP addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

from tapline.lists.entries import EntryList, Hit

_REMEMBERED: Final = 16_384

_Tables = list[tuple[int, dict[int, str]]]


class _Hits(dict[str, Hit | None]):
    """What was found of addresses, by their text; one that is not known is looked up."""

    def __init__(self, version4: _Tables, version6: _Tables) -> None:
        super().__init__()
        self._version4 = version4
        self._version6 = version6

    def __missing__(self, text: str) -> Hit | None:
        if len(self) >= _REMEMBERED:
            self.clear()
        found = self[text] = self._look_up(text)
        return found

    def _look_up(self, text: str) -> Hit | None:
        try:
            if ":" in text:
                packed, tables = inet_pton(AF_INET6, text), self._version6
            else:
                packed, tables = inet_pton(AF_INET, text), self._version4
        except (OSError, ValueError):
            return None
        number = int.from_bytes(packed, "big")
        for shift, table in tables:
            value = table.get(number >> shift)
            if value is not None:
                return Hit(_network(number >> shift << shift, len(packed), shift), value)
        return None


class NetworkSet(EntryList):
    """Networks (``192.0.2.0/24``, ``2001:db8::/32``) and addresses; an address is found in the smallest that holds it.

    Bits of an entry beyond its prefix are ignored. A look-up costs one step for each length of prefix
    that occurs: networks are kept in a table a length, which takes a tenth of the memory of a tree. What was found
    of the latest addresses is remembered, since the same ones come again and again.
    """

    def __init__(self, entries: Iterable[tuple[str, str]] = ()) -> None:
        self._version4: _Tables = []
        self._version6: _Tables = []
        self._hits = _Hits(self._version4, self._version6)
        super().__init__(entries)

    def add(self, entry: str, value: str = "") -> None:
        address, slash, length = entry.strip().partition("/")
        try:
            if ":" in address:
                bits, packed, tables = 128, inet_pton(AF_INET6, address), self._version6
            else:
                bits, packed, tables = 32, inet_pton(AF_INET, address), self._version4
            prefix = int(length) if slash else bits
        except (OSError, ValueError):
            prefix, bits = -1, 0
        if not 0 <= prefix <= bits:
            raise ValueError(f"{entry!r} is no address or network, as 192.0.2.0/24")
        shift = bits - prefix
        _table(tables, shift)[int.from_bytes(packed, "big") >> shift] = value
        self._hits.clear()

    def find(self, text: str) -> Hit | None:
        return self._hits[text]

    @property
    def hits(self) -> Mapping[str, Hit | None]:
        """What :meth:`find` finds, by ``[address]``: many addresses are looked up in half the time."""
        return self._hits

    def __len__(self) -> int:
        return sum(len(table) for _, table in (*self._version4, *self._version6))


def _table(tables: _Tables, shift: int) -> dict[int, str]:
    for known, table in tables:
        if known == shift:
            return table
    tables.append((shift, {}))
    tables.sort(key=lambda each: each[0])
    return _table(tables, shift)


def _network(number: int, size: int, shift: int) -> str:
    address = inet_ntop(AF_INET if size == 4 else AF_INET6, number.to_bytes(size, "big"))
    return f"{address}/{size * 8 - shift}" if shift else address
