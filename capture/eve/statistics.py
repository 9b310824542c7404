"""What the engine counts of itself."""

from __future__ import annotations

from typing import Any, Final

from capture.eve.events import StatsPart
from topics.records import MeterKind, Metric

GROUP: Final = "Suricata"

_COUNTERS: Final = (
    ("capture", "kernel_packets"),
    ("capture", "kernel_drops"),
    ("decoder", "pkts"),
    ("decoder", "bytes"),
    ("decoder", "invalid"),
    ("flow", "memcap"),
    ("tcp", "sessions"),
    ("tcp", "ssn_memcap_drop"),
    ("tcp", "segment_memcap_drop"),
    ("tcp", "reassembly_gap"),
    ("http", "memcap"),
    ("ftp", "memcap"),
    ("detect", "alert"),
)
"""Those that tell whether it sees and judges all there is; their readings only grow."""

_GAUGES: Final = (("flow", "memuse"), ("tcp", "memuse"), ("http", "memuse"))
_UPTIME: Final = "uptime"


def statistics_of(part: StatsPart, fields: dict[str, Any], sensor: str) -> Metric:
    """A sample of the group ``Suricata``, key: the sensor; meters as ``decoder_pkts``, and ``uptime`` in seconds."""
    meters: dict[str, int | float] = {_UPTIME: part.uptime}
    kinds: dict[str, MeterKind] = {_UPTIME: "gauge"}
    wanted: tuple[tuple[tuple[tuple[str, str], ...], MeterKind], ...] = ((_COUNTERS, "delta_rate"), (_GAUGES, "gauge"))
    for names, kind in wanted:
        for block, name in names:
            value = getattr(part, block).get(name)
            if type(value) is int and 0 <= value < 1 << 63:
                meters[f"{block}_{name}"] = value
                kinds[f"{block}_{name}"] = kind
    return Metric(**fields, group=GROUP, key=sensor or GROUP, meters=meters, kinds=kinds, source="eve")
