"""From the readings of a device to what has grown since the last ones."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from capture.snmp.reading import DeviceReading, Interface, Reading

_TICKS: Final = 1 << 32
"""sysUpTime wraps there, in hundredths of a second."""

_SLACK: Final = 1.0
"""How many seconds a device's clock may lag behind what has passed here, beside a hundredth of that."""


class Grown(Struct, frozen=True, kw_only=True):
    """What an interface's counters have grown by, by meter, in how many seconds.

    ``began_anew`` is how many of its counters have not grown but begun anew: those are left out.
    """

    seconds: float
    meters: dict[str, int]
    began_anew: int


class History:
    """The last readings of one device."""

    def __init__(self) -> None:
        self._before: DeviceReading | None = None
        self._wrapped = 0

    def take(self, reading: DeviceReading) -> tuple[DeviceReading, dict[int, Grown], bool]:
        """What has grown since the readings before, by interface, and whether the device has restarted since.

        After a restart nothing has grown: the counters began anew, and what they had come to before is not known. An
        interface that was not there before has not grown either. The reading is given back with its uptime as it would
        be if sysUpTime did not wrap.
        """
        before = self._before
        passed = 0.0 if before is None else reading.at - before.at
        restarted = before is not None and self._restarted(before.uptime + passed, reading, _SLACK + passed / 100)
        if restarted:
            self._wrapped = 0
        reading = replace(reading, uptime=self._uptime(reading))
        self._before = reading
        if before is None or restarted:
            return reading, {}, restarted
        grown = {
            index: _grown(before.interfaces[index], interface, passed)
            for index, interface in reading.interfaces.items()
            if index in before.interfaces and passed > 0
        }
        return reading, grown, False

    def _uptime(self, reading: DeviceReading) -> float:
        return max(reading.uptime, (reading.ticks + self._wrapped * _TICKS) / 100)

    def _restarted(self, expected: float, reading: DeviceReading, slack: float) -> bool:
        """True where the uptime is less than expected, other than by one more wrap of sysUpTime."""
        uptime = self._uptime(reading)
        if uptime >= expected - slack:
            return False
        if abs(uptime + _TICKS / 100 - expected) <= slack:
            self._wrapped += 1
            return False
        return True


def _grown(before: Interface, now: Interface, seconds: float) -> Grown:
    meters: dict[str, int] = {}
    began_anew = 0
    for meter, readings in now.readings.items():
        former = before.readings.get(meter, ())
        if len(former) != len(readings):
            continue
        if now.discontinuity != before.discontinuity:
            began_anew += 1
            continue
        steps = [growth(old, new) for old, new in zip(former, readings, strict=True)]
        known = [step for step in steps if step is not None]
        if len(known) == len(steps):
            meters[meter] = sum(known)
        else:
            began_anew += 1
    return Grown(seconds=seconds, meters=meters, began_anew=began_anew)


def growth(before: Reading, after: Reading) -> int | None:
    """By how much a counter has grown between two readings; ``None`` where it began anew.

    One that shows less than before has wrapped where that means that it grew by less than half its range; otherwise
    it was set back, and what it had come to before is not known.
    """
    if before.bits != after.bits:
        return None
    if after.value >= before.value:
        return after.value - before.value
    wrapped = (1 << after.bits) - before.value + after.value
    return wrapped if wrapped < 1 << (after.bits - 1) else None
