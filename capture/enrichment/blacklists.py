"""Lists of what one wants to know of when it is met: addresses, domain names, fingerprints of TLS."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from capture.enrichment.list_lines import Fingerprint, Name, entries_of
from tapline.lists import NetworkSet, SuffixSet
from topics.errors import TaplineError

MOST_ENTRIES: Final = 2_000_000
"""So many a list may have; a million addresses take 75 MB, as many names 110 MB."""

_LONGEST_LINE: Final = 4096
"""Bytes of a line: what is longer is none of a list, and is read in pieces."""

_REMEMBERED: Final = 50_000
_HELP: Final = "name a list of addresses, domain names or fingerprints"


class Blacklist:
    """One list; :class:`TaplineError` when its file cannot be read, or most of its lines are something else.

    Other lines that are something else are left out: ``rejected`` is how many there are, ``problem`` tells of the
    first.
    """

    def __init__(self, path: str) -> None:
        self.networks = NetworkSet()
        self.names = SuffixSet()
        self.fingerprints: set[str] = set()
        self.rejected = 0
        self.problem = ""
        self._path = path
        taken = 0
        try:
            with Path(path).open("rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
                    try:
                        taken += self._take(line.decode("utf-8-sig"))
                    except ValueError as error:
                        self._reject(number, error)
                    if taken > MOST_ENTRIES:
                        raise TaplineError(f"{path}:{number}: has more than {MOST_ENTRIES:,} entries: divide the list")
        except OSError as error:
            raise TaplineError(f"cannot read {path}: {error.strerror}: {_HELP}") from error
        if self.rejected > taken:
            raise TaplineError(f"{self.problem}, as most of its lines are none: {_HELP}")

    def __len__(self) -> int:
        return len(self.networks) + len(self.names) + len(self.fingerprints)

    def _take(self, line: str) -> int:
        entries = entries_of(line)
        for entry in entries:
            if isinstance(entry, Fingerprint):
                self.fingerprints.add(str(entry))
            elif isinstance(entry, Name):
                self.names.add(str(entry))
            else:
                self.networks.add(entry)
        return len(entries)

    def _reject(self, number: int, error: ValueError) -> None:
        self.rejected += 1
        if not self.problem:
            told = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error
            self.problem = f"{self._path}:{number}: {told}"


class Blacklists:
    """All lists by their names, and on which of them something is."""

    def __init__(self, lists: Mapping[str, Blacklist]) -> None:
        self.lists = lists
        # The same names and fingerprints come again and again; of addresses it is remembered elsewhere.
        self.with_name = lru_cache(maxsize=_REMEMBERED)(self._with_name)
        self.with_fingerprint = lru_cache(maxsize=_REMEMBERED)(self._with_fingerprint)

    def with_address(self, ip: str) -> tuple[str, ...]:
        """The lists that have an address, or a network that holds it."""
        return tuple(name for name, each in self.lists.items() if ip in each.networks)

    def _with_name(self, text: str) -> tuple[str, ...]:
        return tuple(name for name, each in self.lists.items() if text in each.names)

    def _with_fingerprint(self, text: str) -> tuple[str, ...]:
        return tuple(name for name, each in self.lists.items() if text.lower() in each.fingerprints)
