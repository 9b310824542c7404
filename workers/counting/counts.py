"""What is counted of keys by name, in one window on one partition: samples in, sums out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import Any, Final

from tapline.arguments import no_number, no_text, wrong_group
from tapline.groups import CounterGroup, Directory
from topics.records import MeterKind, MeterValue, Partial
from workers.counting.meters import KINDS, Number

_MOST: Final = 1 << 200
"""Integers beyond this are no samples: sums of them would not fit into floating point."""

Slot = tuple[str, MeterKind]
"""A meter's name and kind."""


class Definitions:
    """The meters of counter groups, by any of a group's names or its GUID."""

    def __init__(self, groups: Directory) -> None:
        self._groups = groups
        self._known: dict[str, tuple[str, dict[str, Slot] | None]] = {}

    def find(self, group: CounterGroup | str) -> tuple[str, dict[str, Slot] | None]:
        """A group's own name and its meters, ``None`` where nobody defines the group."""
        name = group if isinstance(group, str) else _name_of(group)
        known = self._known.get(name)
        if known is None:
            defined = self._groups.find(name) or group
            if isinstance(defined, CounterGroup):
                known = (defined.name, {meter.name: (meter.name, meter.kind) for meter in defined.meters})
            else:
                known = (name, None)
            self._known[name] = known
        return known

    def sample_slots(self, group: CounterGroup | str, meters: Iterable[str]) -> tuple[str, list[Slot]]:
        """Where a script's samples of these meters go; :class:`ValueError` for one that the group does not have."""
        name, slots = self.find(group)
        if slots is None:
            return name, [(meter, "counter") for meter in meters]
        try:
            return name, [slots[meter] for meter in meters]
        except KeyError as error:
            known = ", ".join(slots) or "none"
            raise ValueError(f"counter group {name} has no meter {error.args[0]!r}; it has {known}") from None

    def kind(self, group: str, meter: str) -> MeterKind:
        """The kind of a meter; a counter where nobody defines it."""
        _, slots = self.find(group)
        return slots[meter][1] if slots and meter in slots else "counter"


class ScriptCounts:
    """The samples of one window of one partition, by group and key."""

    __slots__ = ("_keys", "_told")

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], dict[Slot, MeterValue]] = {}
        self._told: dict[tuple[str, str], dict[Slot, MeterValue]] = {}

    def add(self, group: str, key: str, slots: Iterable[Slot], samples: Iterable[Number], time: int) -> None:
        """Add a sample to each of these meters; ``time`` is event time, microseconds since the epoch."""
        values = self._keys.get((group, key))
        if values is None:
            values = self._keys[group, key] = {}
        for slot, sample in zip(slots, samples, strict=True):
            kind = KINDS[slot[1]]
            values[slot] = kind.add(values[slot], sample, time) if slot in values else kind.begin(sample, time)

    def partials(self) -> Iterator[Partial]:
        """What came of all samples."""
        for (group, key), values in self._keys.items():
            yield named_partial(group, key, values)

    def changed(self, wanted: Callable[[str], bool], second: int) -> Iterator[Partial]:
        """How far the keys of these groups have come that have changed since the last call: interim sums."""
        for place, values in self._keys.items():
            if wanted(place[0]) and self._told.get(place) != values:
                self._told[place] = values.copy()
                yield named_partial(*place, values, second)


def _name_of(group: Any) -> str:
    if isinstance(group, CounterGroup):
        return group.name
    raise wrong_group(CounterGroup, group)


def checked(key: str, samples: Mapping[str, Number]) -> list[Number]:
    """A script's samples as they can travel; :class:`TypeError` or :class:`ValueError` for what cannot."""
    if not isinstance(key, str):
        raise no_text("key", key)
    key.encode()
    return [
        value
        if (type(value) is int and -_MOST < value < _MOST) or (type(value) is float and isfinite(value))
        else _number(name, value)
        for name, value in samples.items()
    ]


def _number(meter: str, value: Any) -> Number:
    try:
        if isinstance(value, int) and not isinstance(value, bool) and -_MOST < value < _MOST:
            return int(value)
        if not isinstance(value, str | int) and isfinite(value):
            return float(value)
    except (TypeError, OverflowError):
        pass
    raise no_number(f"a sample of {meter}", value)


def named_partial(group: str, key: str, values: Mapping[Slot, MeterValue], second: int = 0) -> Partial:
    """Sums of meters with their names and kinds; interim ones of this second where it is not 0."""
    names = [name for name, _ in values]
    kinds = [kind for _, kind in values]
    return Partial(group, key, list(values.values()), names, kinds if set(kinds) != {"counter"} else [], second)
