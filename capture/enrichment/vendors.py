"""Who made a network card: lists of the beginnings of MAC addresses."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from topics.errors import TaplineError

_BITS: Final = 48
_COLUMNS: Final = ("Registry", "Assignment", "Organization Name")
_SEPARATORS: Final = str.maketrans("", "", ":-.")
_LARGEST: Final = 64 * 1024 * 1024
"""Bytes of the largest file that is read: those that there are have less than 5 MB."""


class Vendors:
    """The vendors of a file; :class:`TaplineError` when it cannot be read or is no such list."""

    def __init__(self, path: str) -> None:
        self._by_length: dict[int, dict[int, str]] = {}
        try:
            if Path(path).stat().st_size > _LARGEST:
                raise TaplineError(f"{path} is too large for a list of vendors: name manuf or oui.csv")
            lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise TaplineError(f"cannot read {path}: {error.strerror}: name a list of vendors") from error
        if lines and lines[0].startswith(",".join(_COLUMNS)):
            self._take_csv(lines)
        else:
            self._take_manuf(path, lines)
        if not self._by_length:
            raise TaplineError(f"{path} names no vendor: name Wireshark's manuf or an oui.csv of the IEEE")
        self._lengths = sorted(self._by_length, reverse=True)

    def __len__(self) -> int:
        return sum(map(len, self._by_length.values()))

    def find(self, mac: str) -> str:
        """The vendor of an address as ``00:1b:c5:00:00:01``, by its longest beginning that is known; else empty."""
        try:
            number = int(mac.translate(_SEPARATORS), 16)
        except ValueError:
            return ""
        for length in self._lengths:
            vendor = self._by_length[length].get(number >> _BITS - length)
            if vendor is not None:
                return vendor
        return ""

    def _take_csv(self, lines: list[str]) -> None:
        for row in csv.reader(lines[1:]):
            if len(row) >= len(_COLUMNS):
                self._add(row[1], len(row[1]) * 4, row[2])

    def _take_manuf(self, path: str, lines: list[str]) -> None:
        """Beginning, short name, and name, with tabs between; some beginnings say how many bits they have."""
        for number, line in enumerate(lines, 1):
            text = line.partition("#")[0] if line.startswith("#") else line
            if not text.strip():
                continue
            beginning, tab, names = text.partition("\t")
            digits, _, bits = beginning.strip().partition("/")
            digits = digits.translate(_SEPARATORS)
            if not tab or not self._add(
                digits, int(bits) if bits.isdecimal() else len(digits) * 4, names.split("\t")[-1]
            ):
                raise TaplineError(f"{path}:{number}: no vendor of a MAC address: name manuf or an oui.csv of the IEEE")

    def _add(self, digits: str, length: int, vendor: str) -> bool:
        try:
            number = int(digits, 16) << max(0, _BITS - len(digits) * 4)
        except ValueError:
            return False
        if not 0 < length <= _BITS or len(digits) * 4 > _BITS:
            return False
        self._by_length.setdefault(length, {})[number >> _BITS - length] = vendor.strip()
        return True
