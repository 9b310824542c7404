"""The engine of SNMPv3 that informs are sent to (RFC 3411, 5; RFC 3414, 2.2)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from capture.kept_file import keep
from topics.errors import TaplineError

MOST_BOOTS: Final = (1 << 31) - 1
_PREFIX: Final = bytes.fromhex("8000000005")
"""The format of RFC 3411 whose octets are one's own to choose, of no enterprise in particular."""

_OCTETS: Final = 8


class _Kept(Struct, forbid_unknown_fields=True):
    id: Annotated[str, Meta(pattern="^([0-9a-f]{2}){5,32}$")]
    boots: Annotated[int, Meta(ge=0, le=MOST_BOOTS)]


class Engine:
    """An engine's id, how often it was started, and for how many seconds it has run.

    The id and the starts are kept in ``file``: a sender takes no answer of an engine whose clock ran backwards.
    ``clock`` is in seconds and only goes on.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = b""
        self.boots = 0
        self._file = file
        self._clock = clock
        self._began = 0.0

    def start(self) -> None:
        """Begin another run of the engine; :class:`TaplineError` when that cannot be kept."""
        kept = self._load() or _Kept((_PREFIX + secrets.token_bytes(_OCTETS)).hex(), 0)
        kept.boots = min(kept.boots + 1, MOST_BOOTS)
        try:
            keep(self._file, msgspec.json.encode(kept))
        except OSError as error:
            raise TaplineError(
                f"cannot keep the engine of SNMPv3: {self._file}: {error.strerror}: set capture.snmp.engine_folder"
            ) from error
        self.id, self.boots = bytes.fromhex(kept.id), kept.boots
        self._began = self._clock()

    @property
    def time(self) -> int:
        """Seconds since it was started."""
        return int(self._clock() - self._began)

    def _load(self) -> _Kept | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise TaplineError(
                f"{self._file} does not hold the engine of SNMPv3 ({error}): remove it to have another one"
            ) from error
