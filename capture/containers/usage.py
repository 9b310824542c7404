"""What a container has used: the daemon's statistics (``/containers/ID/stats``) as counters and gauges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

_NANOSECONDS: Final = 1_000_000_000
_EACH_WAY: Final = {
    "in_bytes": "rx_bytes",
    "out_bytes": "tx_bytes",
    "in_packets": "rx_packets",
    "out_packets": "tx_packets",
    "in_errors": "rx_errors",
    "out_errors": "tx_errors",
    "in_drops": "rx_dropped",
    "out_drops": "tx_dropped",
}
_DISKS: Final = {"read_bytes": "read", "write_bytes": "write"}


class Usage(Struct, frozen=True):
    """What a container has used since it was started, by meter, and how it stands."""

    counters: dict[str, float]
    gauges: dict[str, float]


def usage(statistics: Mapping[str, Any]) -> Usage:
    """The usage that statistics tell of; what they do not tell is left out."""
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    spent = _number(statistics, "cpu_stats", "cpu_usage", "total_usage")
    if spent is not None:
        counters["cpu_seconds"] = spent / _NANOSECONDS
    networks = statistics.get("networks")
    if isinstance(networks, Mapping):
        for meter, name in _EACH_WAY.items():
            counters[meter] = sum(_number(each, name) or 0 for each in networks.values() if isinstance(each, Mapping))
    moved = (statistics.get("blkio_stats") or {}).get("io_service_bytes_recursive")
    if isinstance(moved, list):
        for meter, operation in _DISKS.items():
            counters[meter] = sum(
                _number(each, "value") or 0 for each in moved if str(each.get("op", "")).lower() == operation
            )
    used = _number(statistics, "memory_stats", "usage")
    if used is not None:
        # What the page cache would give back is not the container's: so counts Docker's own command.
        spare = _number(statistics, "memory_stats", "stats", "total_inactive_file")
        if spare is None:
            spare = _number(statistics, "memory_stats", "stats", "inactive_file")
        gauges["memory_used"] = max(0, used - (spare or 0))
    limit = _number(statistics, "memory_stats", "limit")
    if limit is not None:
        gauges["memory_limit"] = limit
    processes = _number(statistics, "pids_stats", "current")
    if processes is not None:
        gauges["processes"] = processes
    return Usage(counters, gauges)


def used_since(before: Usage | None, now: Usage) -> dict[str, float]:
    """What was used since ``before``; all of it where the container has been started since."""
    former = before.counters if before is not None else {}
    return {
        meter: value - former.get(meter, 0) if value >= former.get(meter, 0) else value
        for meter, value in now.counters.items()
    }


def _number(found: Any, *names: str) -> int | float | None:
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None
