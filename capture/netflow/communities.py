"""Community IDs of many flows at once (https://github.com/corelight/community-id-spec)."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from hashlib import sha1
from typing import Final

import numpy as np
import numpy.typing as npt

_KEPT: Final = 20_000
_VERSION: Final = "1:"


class Communities:
    """Community IDs of flows whose ports are part of them (TCP, UDP, SCTP); those of late are kept.

    What one id holds for is the same both ways, so that of two records of a conversation only the first is computed.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, str] = {}

    def of(
        self,
        sources: npt.NDArray[np.uint8],
        destinations: npt.NDArray[np.uint8],
        protocols: npt.NDArray[np.uint64],
        ports: tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]],
    ) -> list[str]:
        """The ids; addresses are rows of 4 or 16 bytes, all of one length."""
        count, width = sources.shape
        first_port, second_port = (each.astype(np.uint16) for each in ports)
        turned = _later(sources, destinations, first_port, second_port)
        length = 2 + 2 * width + 6
        keys = np.zeros((count, length), np.uint8)
        across = turned[:, None]
        keys[:, 2 : 2 + width] = np.where(across, destinations, sources)
        keys[:, 2 + width : 2 + 2 * width] = np.where(across, sources, destinations)
        keys[:, 2 + 2 * width] = protocols
        low, high = np.where(turned, second_port, first_port), np.where(turned, first_port, second_port)
        keys[:, -4:-2] = low.astype(">u2")[:, None].view(np.uint8)
        keys[:, -2:] = high.astype(">u2")[:, None].view(np.uint8)
        octets = keys.tobytes()
        return self._of([octets[start : start + length] for start in range(0, len(octets), length)])

    def _of(self, keys: Sequence[bytes]) -> list[str]:
        known = self._known
        if len(known) > _KEPT:
            known.clear()
        found = []
        for key in keys:
            community = known.get(key)
            if community is None:
                digest = sha1(key, usedforsecurity=False).digest()
                community = known[key] = _VERSION + b2a_base64(digest, newline=False).decode()
            found.append(community)
        return found


def _later(
    sources: npt.NDArray[np.uint8],
    destinations: npt.NDArray[np.uint8],
    first_port: npt.NDArray[np.uint16],
    second_port: npt.NDArray[np.uint16],
) -> npt.NDArray[np.bool_]:
    """Where the source comes after the destination in the order of the specification."""
    if sources.shape[1] == 4:
        ours, theirs = (np.ascontiguousarray(each).view(">u4")[:, 0] for each in (sources, destinations))
        before: npt.NDArray[np.bool_] = (theirs < ours) | ((theirs == ours) & (second_port < first_port))
        return before
    ours, theirs = (np.ascontiguousarray(each).view(">u8") for each in (sources, destinations))
    low = (theirs[:, 1] < ours[:, 1]) | ((theirs[:, 1] == ours[:, 1]) & (second_port < first_port))
    later: npt.NDArray[np.bool_] = (theirs[:, 0] < ours[:, 0]) | ((theirs[:, 0] == ours[:, 0]) & low)
    return later
