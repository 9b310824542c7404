"""What a kind of stored flows is to the source that reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from capture.exports.collected import Collected


class StoredError(ValueError):
    """A record that cannot be used; ``reason`` is a short word to count it by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Ignored(Struct, frozen=True):
    """A record that is of no flow, for a reason."""

    reason: str


class Stored(Struct, frozen=True):
    """A flow, and when a collector was told of it (epoch microseconds, 0 where it does not say)."""

    flow: Collected
    received: int = 0


class Format(Protocol):
    """Files of one kind, and the program that reads them."""

    name: str
    """The source's name."""

    program: str
    package: str
    """The program's name, and Debian's package that holds it."""

    def is_one(self, head: bytes) -> bool:
        """True for the first 4096 bytes of such a file."""

    def command(self, path: Path) -> list[str]:
        """Prints the records of a file."""

    def records(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The records in what the program prints; each may be decoded."""

    def decode(self, record: bytes) -> Stored | Ignored:
        """What a record says; :class:`StoredError` when it cannot be used."""
