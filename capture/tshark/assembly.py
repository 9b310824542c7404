"""Putting carried content together and hashing it."""

from __future__ import annotations

import hashlib

from capture.tshark.formats import HEAD, format_of
from capture.tshark.frame import Conversation, Frame
from capture.tshark.minting import Mint
from topics.records import File, Resource

AHEAD_LIMIT = 8 * 1024 * 1024
"""Bytes kept of one content while the bytes before them have not come."""

NAME_LIMIT = 1024
"""Most characters of a file's name."""


class Assembly:
    """Content that comes in pieces at offsets, hashed as far as it is contiguous from its first byte.

    Pieces may come in any order and more than once; only what lies ahead of a gap is kept in memory.
    """

    def __init__(self) -> None:
        self.size = 0
        self.lost = False
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._head = b""
        self._ahead: dict[int, bytes] = {}
        self._ahead_bytes = 0

    @property
    def whole(self) -> bool:
        """True while no bytes are missing between those that came."""
        return not self._ahead and not self.lost

    def add(self, offset: int, data: bytes) -> None:
        """Take a piece; what was already taken is not taken again."""
        if offset > self.size:
            self._keep(offset, data)
            return
        self._hash(data[self.size - offset :])
        while self._ahead:
            nearest = min(self._ahead)
            if nearest > self.size:
                break
            piece = self._ahead.pop(nearest)
            self._ahead_bytes -= len(piece)
            self._hash(piece[self.size - nearest :])

    def file(self, protocol: str, name: str, *, complete: bool = True, mime_type: str = "") -> File:
        """The file this content is; without hashes where bytes are missing inside it."""
        hashes = (
            {"md5": self._md5.hexdigest(), "sha1": self._sha1.hexdigest(), "sha256": self._sha256.hexdigest()}
            if self.whole
            else {}
        )
        return File(
            name=name,
            protocol=protocol,
            mime_type=mime_type,
            format=format_of(self._head),
            size=self.size + self._ahead_bytes,
            complete=complete and self.whole,
            **hashes,
        )

    def _keep(self, offset: int, data: bytes) -> None:
        known = len(self._ahead.get(offset, b""))
        if len(data) <= known:
            return
        if self._ahead_bytes + len(data) > AHEAD_LIMIT:
            self.lost = True
            return
        self._ahead[offset] = data
        self._ahead_bytes += len(data) - known

    def _hash(self, data: bytes) -> None:
        if data:
            if self.size < HEAD:
                self._head += data[: HEAD - self.size]
            self._md5.update(data)
            self._sha1.update(data)
            self._sha256.update(data)
            self.size += len(data)


def file_of(data: bytes, protocol: str, name: str, *, complete: bool = True, mime_type: str = "") -> File:
    """The file these bytes are."""
    assembly = Assembly()
    assembly.add(0, data)
    return assembly.file(protocol, name, complete=complete, mime_type=mime_type)


def file_resource(frame: Frame, conversation: Conversation, mint: Mint, file: File, *, identity: str = "") -> Resource:
    """A file as a resource: looked up by its SHA-256, named in the label; an endless name is cut and counted."""
    if len(file.name) > NAME_LIMIT:
        mint.counts["truncated.name"] += 1
        file.name = file.name[:NAME_LIMIT]
    return mint.resource(frame, conversation, "file", identity=identity, uri=file.sha256, label=file.name, file=file)
