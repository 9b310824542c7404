"""Capture files that were compressed with gzip (RFC 1952) or zstd (RFC 8878), as a rotation leaves them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"

MAGICS: Final = (_GZIP, _ZSTD)
"""What such a file begins with."""

_PIECE: Final = 1 << 16
_CHUNK: Final = 1 << 20


class DamagedError(Exception):
    """From here on nothing can be had of what was compressed."""


def is_compressed(path: Path) -> bool:
    """True for a file that begins as one that was compressed."""
    with path.open("rb") as file:
        return file.read(len(_ZSTD)).startswith(MAGICS)


def reader_of(file: IO[bytes]) -> Callable[[int], bytes]:
    """Reads so many bytes at most of what was compressed into a file; :class:`DamagedError` where it is damaged."""
    magic = file.read(len(_ZSTD))
    file.seek(0)
    if magic.startswith(_GZIP):
        unpacked: Callable[[int], bytes] = gzip.GzipFile(fileobj=file).read1
    else:
        import pyarrow as pa  # noqa: PLC0415 - only where it is used

        stream = pa.CompressedInputStream(file, "zstd")

        def unpacked(size: int) -> bytes:
            # What comes before a damage within one piece is lost with it.
            return bytes(stream.read(min(size, _PIECE)))

    def read(size: int) -> bytes:
        try:
            return unpacked(size)
        except (EOFError, zlib.error, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise DamagedError(str(error)) from error

    return read


def head_of(path: Path, size: int) -> bytes:
    """The first bytes of what was compressed into a file; none where they cannot be had."""
    return next(_pieces(path, size), b"")[:size]


def content_digest(path: Path) -> str:
    """The SHA-256 of a file's content in hex, which is the same before and after it was compressed."""
    if not is_compressed(path):
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    # Of one that is damaged it is that of what can be had.
    for piece in _pieces(path, _CHUNK):
        digest.update(piece)
    return digest.hexdigest()


def unpack(path: Path, into: Path) -> None:
    """Write what was compressed into a file of its own, as far as it can be had."""
    with into.open("wb") as file:
        file.writelines(_pieces(path, _CHUNK))


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file, suppress(DamagedError):
        read = reader_of(file)
        while piece := read(size):
            yield piece
