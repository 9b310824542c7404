"""Domain names, matched with all names below them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tapline.lists.entries import EntryList, Hit

_NAME: Final = re.compile(r"[^\s./:,]{1,63}(?:\.[^\s./:,]{1,63})*").fullmatch


class SuffixSet(EntryList):
    """Domain names; a name is found if it is an entry or lies below one, on whole labels.

    ``example.net`` is found in ``www.example.net`` and not in ``badexample.net``. Case of letters, a dot
    at the end, and a leading ``*.`` or ``.`` of an entry do not matter; a name in other letters is kept in
    its DNS form (IDNA). Of several entries the longest is found. A look-up costs one step a label.
    """

    def __init__(self, entries: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, str] = {}
        super().__init__(entries)

    def add(self, entry: str, value: str = "") -> None:
        name = entry.strip().lower().removeprefix("*").removeprefix(".").removesuffix(".")
        if not name.isascii():
            try:
                name = name.encode("idna").decode()
            except UnicodeError as error:
                raise ValueError(f"{entry!r} is no domain name: {error}") from error
        if _NAME(name) is None or len(name) > 253:
            raise ValueError(f"{entry!r} is no domain name")
        self._values[name] = value

    def find(self, text: str) -> Hit | None:
        name = text.lower().removesuffix(".")
        values = self._values
        while name:
            value = values.get(name)
            if value is not None:
                return Hit(name, value)
            name = name.partition(".")[2]
        return None

    def __len__(self) -> int:
        return len(self._values)
