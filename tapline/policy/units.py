"""Numbers as people write them: ``10 MB``, ``100 Mbit/s``, ``5 %``, ``5 min``, ``2026-12-31``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

_QUANTITY: Final = re.compile(r"\s*([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s].*?)?\s*", re.ASCII)

_BYTES: Final = {
    "b": 1.0,
    "byte": 1.0,
    "bytes": 1.0,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "tb": 1e12,
    "kib": 2.0**10,
    "mib": 2.0**20,
    "gib": 2.0**30,
    "tib": 2.0**40,
    "bit": 1 / 8,
    "bits": 1 / 8,
    "kbit": 1e3 / 8,
    "mbit": 1e6 / 8,
    "gbit": 1e9 / 8,
    "tbit": 1e12 / 8,
}
_PLAIN: Final = {"": 1.0, "%": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "flows": 1.0, "packets": 1.0, "hosts": 1.0}
_SECONDS: Final[Mapping[str, int]] = {
    unit: seconds
    for seconds, units in (
        (1, ("s", "sec", "second", "seconds")),
        (60, ("m", "min", "minute", "minutes")),
        (3600, ("h", "hour", "hours")),
        (86400, ("d", "day", "days")),
    )
    for unit in units
}


def quantity(given: Any) -> float:
    """A number, with a unit of data (decimal ``MB``, binary ``MiB``, bits as bytes), a ``%`` or none.

    ``/s`` says nothing new: what is a second's worth is the rule's measure. :class:`ValueError` says what would do.
    """
    if isinstance(given, int | float) and not isinstance(given, bool):
        try:
            return float(given)
        except OverflowError:
            raise ValueError("this is too large a number") from None
    number, unit = _split(given, "a number, as 100, 10 MB, 5 % or 100 Mbit/s")
    unit = unit.lower().removesuffix("/s")
    factor = _PLAIN.get(unit, _BYTES.get(unit))
    if factor is None:
        raise ValueError(f"{given!r}: {unit!r} is no unit; there are kB, MB, GB, KiB, MiB, GiB, kbit, Mbit, Gbit and %")
    return number * factor


def duration(given: Any) -> int:
    """Whole seconds, of a number or of ``30 s``, ``5 min``, ``1 h``, ``1 d``; :class:`ValueError` otherwise."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    number, unit = _split(given, "a length of time, as 60, 5 min, 1 h or 1 d")
    seconds = number * _SECONDS.get(unit.lower(), 0 if unit else 1)
    if seconds != int(seconds) or (number and not seconds):
        raise ValueError(f"{given!r} is no length of time in whole seconds, as 60, 5 min, 1 h or 1 d")
    return int(seconds)


def moment(given: Any) -> int:
    """Microseconds since the epoch, of that number or of a date, with a time or not; UTC where it says nothing else."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        found = None
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day, tzinfo=UTC)
    if not isinstance(found, datetime):
        raise ValueError(f"{given!r} is no date, as 2026-12-31 or 2026-12-31T18:00:00Z")  # noqa: TRY004 - one kind of error
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1_000_000)


def _split(given: Any, wanted: str) -> tuple[float, str]:
    found = _QUANTITY.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ValueError(f"{given!r} is no {wanted.removeprefix('a ')}")
    number = float(found[1].replace("_", ""))
    if not math.isfinite(number):
        raise ValueError(f"{given!r} is too large a number")
    return number, (found[2] or "").strip()
