"""What the kernel says of the host, by psutil."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from topics.errors import TaplineError

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_MEGABIT: Final = 1_000_000


class HostCounters(Struct, kw_only=True):
    """Counters that only grow while the machine is up: of interfaces and disks by name, each by meter.

    ``processors`` are seconds by what they were spent on; ``boot`` tells one run of the machine from another, ``time``
    is when they were read, in epoch seconds.
    """

    boot: str
    time: float
    interfaces: dict[str, dict[str, int]]
    disks: dict[str, dict[str, int]]
    processors: dict[str, float]


class HostState(Struct, kw_only=True):
    """How things stand: memory and load of the machine, the state of its interfaces, the room on its disks."""

    machine: dict[str, int | float]
    interfaces: dict[str, dict[str, int | float]]
    filesystems: dict[str, dict[str, int | float]]


def read_counters(time: float) -> HostCounters:
    """The counters as they are now, which is ``time`` (epoch seconds)."""
    return HostCounters(
        boot=_boot(),
        time=time,
        interfaces={
            name: {
                "in_bytes": read.bytes_recv,
                "out_bytes": read.bytes_sent,
                "in_packets": read.packets_recv,
                "out_packets": read.packets_sent,
                "in_errors": read.errin,
                "out_errors": read.errout,
                "in_drops": read.dropin,
                "out_drops": read.dropout,
            }
            for name, read in psutil.net_io_counters(pernic=True, nowrap=False).items()
        },
        disks={
            name: {
                "read_bytes": read.read_bytes,
                "write_bytes": read.write_bytes,
                "reads": read.read_count,
                "writes": read.write_count,
            }
            for name, read in (psutil.disk_io_counters(perdisk=True, nowrap=False) or {}).items()
            if read.read_count or read.write_count
        },
        processors=_processors(),
    )


def read_state() -> HostState:
    """How things stand now."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    filesystems: dict[str, dict[str, int | float]] = {}
    for partition in psutil.disk_partitions(all=False):
        # One that went away, or that this user may not look at, has nothing to tell.
        with suppress(OSError):
            room = psutil.disk_usage(partition.mountpoint)
            filesystems[partition.mountpoint] = {
                "size": room.total,
                "used": room.used,
                "free": room.free,
                "used_percent": room.percent,
            }
    return HostState(
        machine={
            "load": os.getloadavg()[0],
            "processors": psutil.cpu_count() or 0,
            "memory_size": memory.total,
            "memory_used": memory.used,
            "memory_available": memory.available,
            "memory_used_percent": memory.percent,
            "swap_size": swap.total,
            "swap_used": swap.used,
        },
        interfaces={
            name: {"up": int(stats.isup), "speed": stats.speed * _MEGABIT}
            for name, stats in psutil.net_if_stats().items()
        },
        filesystems=filesystems,
    )


def check_host() -> None:
    """:class:`TaplineError` where the host cannot be read."""
    try:
        read_counters(0)
        read_state()
    except (OSError, psutil.Error, RuntimeError) as error:
        raise TaplineError(f"cannot read the counters of this machine: {error}: give this user /proc and /sys") from (
            error
        )


def _processors() -> dict[str, float]:
    """Seconds that the processors spent; those of guests are part of the user's."""
    times = psutil.cpu_times()
    spent = {name: float(getattr(times, name, 0.0)) for name in ("user", "nice", "system", "iowait", "steal", "idle")}
    spent["interrupts"] = float(getattr(times, "irq", 0.0)) + float(getattr(times, "softirq", 0.0))
    return spent


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return str(round(psutil.boot_time()))
