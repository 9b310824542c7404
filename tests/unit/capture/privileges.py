"""Being nobody for a while, so that permissions count in tests run by root too."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

CAP_NET_RAW = 13

_NOBODY = 65534
_VERSION = 0x20080522
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def unprivileged(*capabilities: int) -> Iterator[None]:
    """Within the block this thread has no rights but those of everyone and these capabilities (capabilities(7))."""
    user = os.geteuid()
    if user:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        if capabilities:
            _take(capabilities)
        yield
    finally:
        os.seteuid(user)


def _take(capabilities: tuple[int, ...]) -> None:
    """Make these capabilities effective, of those that root could have again."""
    header = ctypes.create_string_buffer(struct.pack("Ii", _VERSION, 0), 8)
    sets = ctypes.create_string_buffer(24)
    if _LIBC.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    words = list(struct.unpack_from("6I", sets.raw))
    for number in capabilities:
        words[number // 32 * 3] |= 1 << number % 32
    if _LIBC.capset(header, ctypes.create_string_buffer(struct.pack("6I", *words), 24)):
        raise OSError(ctypes.get_errno(), "capset")
