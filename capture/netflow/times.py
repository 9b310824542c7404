"""When flows began and ended, for many records at once."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from capture.netflow.layout import numbers

Numbers = npt.NDArray[np.int64]

_FROM_1900: Final = 2_208_988_800
"""Seconds from NTP's epoch to ours."""

_HALF: Final = 1 << 31
_LONGEST: Final = 1 << 52
"""No time is later than this, in microseconds, so that none leaves 64 bits."""

_UNITS: Final = {"s": 1_000_000, "ms": 1000}


class Sent(NamedTuple):
    """What is known of the datagrams of records, an element for each record.

    When they were exported (epoch microseconds), their sender's uptime then (milliseconds, -1 where it is not known)
    and when they came (epoch microseconds).
    """

    exported: Numbers
    uptime: Numbers
    received: Numbers


def times_of(array: npt.NDArray[np.void], columns: frozenset[str], sent: Sent, boot_ms: int) -> tuple[Numbers, Numbers]:
    """Start and end of each flow, in epoch microseconds.

    ``boot_ms`` is when the exporter began, 0 where it is not known. Where a record has no end it ended when it was
    exported; where it has no start, at its end.
    """
    start = _time(array, columns, sent, boot_ms, "start")
    end = _time(array, columns, sent, boot_ms, "end")
    length = _duration(array, columns)
    if end is None:
        end = start + length if start is not None and length is not None else sent.exported
    if start is None:
        start = end - length if length is not None else end
    return np.minimum(start, end), end


def _time(array: npt.NDArray[np.void], columns: frozenset[str], sent: Sent, boot_ms: int, edge: str) -> Numbers | None:
    for unit, factor in _UNITS.items():
        if f"{edge}_{unit}" in columns:
            return _bounded(numbers(array, f"{edge}_{unit}"), factor)
    for unit in ("us", "ns"):
        if f"{edge}_{unit}" in columns:
            return _from_ntp(numbers(array, f"{edge}_{unit}"))
    if f"{edge}_uptime" in columns:
        return _from_uptime(array, columns, sent, boot_ms, edge)
    if f"{edge}_before" in columns:
        return sent.exported - _bounded(numbers(array, f"{edge}_before"), 1)
    return None


def _from_uptime(array: npt.NDArray[np.void], columns: frozenset[str], sent: Sent, boot_ms: int, edge: str) -> Numbers:
    """Milliseconds since the exporter began, 32 bits that wrap after 49 days."""
    uptime = _bounded(numbers(array, f"{edge}_uptime"), 1)
    if "boot_ms" in columns:
        found: Numbers = np.minimum(_bounded(numbers(array, "boot_ms"), 1000) + uptime * 1000, _LONGEST)
        return found
    now = sent.uptime
    if boot_ms:
        exported = sent.exported // 1000 - min(boot_ms, _LONGEST // 1000)
        now = np.where(now < 0, exported, now)
    if bool((now < 0).any()):
        # Neither is known: the last end that the record names is when it was exported.
        last = _bounded(numbers(array, "end_uptime" if "end_uptime" in columns else f"{edge}_uptime"), 1)
        now = np.where(now < 0, last, now)
    before = (now - uptime + _HALF) % (2 * _HALF) - _HALF
    began: Numbers = sent.exported - before * 1000
    return began


def _from_ntp(values: npt.NDArray[np.uint64]) -> Numbers:
    """64 bits: seconds since 1900, and a fraction of a second (RFC 7011, 6.1.9)."""
    seconds = (values >> np.uint64(32)).astype(np.int64) - _FROM_1900
    fraction = (values & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return seconds * 1_000_000 + (fraction * 1_000_000 >> 32)


def _duration(array: npt.NDArray[np.void], columns: frozenset[str]) -> Numbers | None:
    for unit, factor in (("ms", 1000), ("us", 1)):
        if f"duration_{unit}" in columns:
            return _bounded(numbers(array, f"duration_{unit}"), factor)
    return None


def _bounded(values: npt.NDArray[np.uint64], factor: int) -> Numbers:
    """Values times a factor, and none beyond what a time may be."""
    return np.minimum(values, np.uint64(_LONGEST // factor)).astype(np.int64) * factor
