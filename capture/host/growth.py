"""What has grown between two readings of the host's counters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from capture.host.reading import HostCounters

_BUSY: Final = ("user", "nice", "system", "iowait", "interrupts", "steal")
_NONE: Final[Mapping[str, int]] = {}


def growth(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """By how much each counter has grown.

    The kernel's counters have 64 bits and do not wrap: one that shows less than before is that of an interface which
    was made anew, and has grown from 0.
    """
    return {
        meter: value - before.get(meter, 0) if value >= before.get(meter, 0) else value for meter, value in now.items()
    }


def grown(before: HostCounters, now: HostCounters) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """What interfaces and disks have carried since ``before``, by their name.

    After a restart of the machine all counters began at 0, and so did those of what was not there before.
    """
    same = before.boot == now.boot
    return tuple(  # type: ignore[return-value]
        {name: growth(old.get(name, _NONE) if same else _NONE, read) for name, read in new.items()}
        for old, new in ((before.interfaces, now.interfaces), (before.disks, now.disks))
    )


def shares(before: HostCounters, now: HostCounters) -> dict[str, float]:
    """What share of their time the processors spent on what, in percent; empty where no time has passed."""
    if before.boot != now.boot:
        return {}
    spent = {name: max(0.0, value - before.processors.get(name, 0.0)) for name, value in now.processors.items()}
    passed = sum(spent.values())
    if passed <= 0:
        return {}
    percent = {name: value * 100 / passed for name, value in spent.items()}
    return {
        "cpu_percent": sum(percent.get(name, 0.0) for name in _BUSY) - percent.get("iowait", 0.0),
        "cpu_user_percent": percent.get("user", 0.0) + percent.get("nice", 0.0),
        "cpu_system_percent": percent.get("system", 0.0) + percent.get("interrupts", 0.0),
        "cpu_iowait_percent": percent.get("iowait", 0.0),
        "cpu_steal_percent": percent.get("steal", 0.0),
    }
