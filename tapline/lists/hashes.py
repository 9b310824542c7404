"""Hashes of files and certificates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tapline.lists.entries import EntryList, Hit

_SIZES: Final = {16: "MD5", 20: "SHA-1", 28: "SHA-224", 32: "SHA-256", 48: "SHA-384", 64: "SHA-512"}


class HashSet(EntryList):
    """Hashes in hexadecimal, from MD5 to SHA-512.

    Case of letters, colons between the bytes, and a prefix as in ``SHA1:2fd4…`` do not matter.
    """

    def __init__(self, entries: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[bytes, str] = {}
        super().__init__(entries)

    def add(self, entry: str, value: str = "") -> None:
        digest = _digest(entry)
        if digest is None:
            raise ValueError(f"{entry!r} is no hash in hexadecimal ({', '.join(_SIZES.values())})")
        self._values[digest] = value

    def find(self, text: str) -> Hit | None:
        digest = _digest(text)
        value = None if digest is None else self._values.get(digest)
        return None if digest is None or value is None else Hit(digest.hex(), value)

    def __len__(self) -> int:
        return len(self._values)


def _digest(text: str) -> bytes | None:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        prefix, _, rest = text.strip().partition(":")
        try:
            digest = bytes.fromhex((prefix + rest if len(prefix) == 2 else rest).replace(":", ""))
        except ValueError:
            return None
    return digest if len(digest) in _SIZES else None
