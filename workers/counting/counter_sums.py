"""One window's sums of keys, merged from all partitions, and the values of its meters they come to."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, MutableMapping
from operator import add
from typing import Any

from prometheus_client import Counter

from topics.records import MeterValue, Partial
from workers.counting.behaviour_groups import CODED
from workers.counting.coded import merged
from workers.counting.counts import Definitions, Slot, named_partial
from workers.counting.groups import named
from workers.counting.meters import KINDS, Number
from workers.windows.ledger import Lane

_log = logging.getLogger(__name__)
_disagreements = Counter(
    "tapline_worker_meter_disagreements", "Values left out because a meter came as two kinds.", ["group"]
)

Place = tuple[str, str]
"""A group and a key."""


class CounterSums:
    """Merges partial sums: each is put to what came for its key before."""

    __slots__ = ("named", "plain")

    def __init__(self) -> None:
        self.plain: dict[Place, Any] = {}
        self.named: dict[Place, dict[Slot, MeterValue]] = {}

    def add(self, partials: Iterable[Partial], *, interim: bool = False) -> None:
        """Merge these, those that are interim only where that is said."""
        plain = self.plain
        for partial in partials:
            if partial.interim and not interim:
                continue
            place = (partial.group, partial.key)
            if partial.names:
                self._add_named(place, partial)
            elif place in plain:
                before, more = plain[place], partial.meters
                coded = partial.group in CODED
                plain[place] = merged(before, more) if coded else list(map(add, before, more))  # type: ignore[arg-type]
            else:
                plain[place] = partial.meters

    def partials(self) -> Iterator[Partial]:
        """The sums, to be merged further."""
        for place, values in self.plain.items():
            yield Partial(*place, values)
        for place, slots in self.named.items():
            yield named_partial(*place, slots)

    def _add_named(self, place: Place, partial: Partial) -> None:
        values = self.named.setdefault(place, {})
        kinds = partial.kinds or ["counter"] * len(partial.names)
        for name, kind, value in zip(partial.names, kinds, partial.meters, strict=True):
            slot = (name, kind)
            values[slot] = KINDS[kind].merge(values[slot], value) if slot in values else value


class Results:
    """Makes values of sums, with what some meters keep from one window of a lane to the next."""

    def __init__(self, definitions: Definitions, kept: MutableMapping[str, Any]) -> None:
        self.definitions = definitions
        self._kept = kept

    def of(self, sums: CounterSums, lane: Lane, *, keep: bool) -> dict[Place, dict[str, Number]]:
        """The meters of every key, in the order the keys came; a key whose meters have no value yet is left out.

        With ``keep`` the window has ended: what meters keep of it is written down.
        """
        found: dict[Place, dict[str, Number]] = {}
        coded: dict[str, list[Place]] = {}
        for place, values in sums.plain.items():
            if place[0] in CODED:
                coded.setdefault(place[0], []).append(place)
            else:
                found[place] = named(place[0], values)
        for group, places in coded.items():
            found.update(zip(places, CODED[group]([sums.plain[place] for place in places]), strict=True))
        for place, slots in sums.named.items():
            meters = self._finish(lane, place, slots, keep=keep)
            if place in found:
                before = found[place]
                for name, value in meters.items():
                    before[name] = before.get(name, 0) + value
            elif meters:
                found[place] = meters
        return found

    def forget(self, lane: Lane) -> None:
        """Drop what was kept for a lane that has ended."""
        prefix = f"{lane.key}\x00"
        for key in [key for key in self._kept if key.startswith(prefix)]:
            del self._kept[key]

    def _finish(self, lane: Lane, place: Place, slots: dict[Slot, MeterValue], *, keep: bool) -> dict[str, Number]:
        meters: dict[str, Number] = {}
        kept_key, kept = "", {}
        if any(KINDS[kind].keeps for _, kind in slots):
            kept_key = "\x00".join((lane.key, *place))
            kept = dict(self._kept.get(kept_key, {}))
        for slot in self._agreed(place[0], slots):
            name, kind = slot
            result, kept_of_meter = KINDS[kind].finish(slots[slot], kept.get(name))
            if result is not None:
                meters[name] = result
            if KINDS[kind].keeps:
                kept[name] = kept_of_meter
        if keep and kept_key:
            self._kept[kept_key] = kept
        return meters

    def _agreed(self, group: str, slots: dict[Slot, MeterValue]) -> list[Slot]:
        """Each meter once: where capture nodes name other kinds than scripts or each other, the defined one."""
        if len({name for name, _ in slots}) == len(slots):
            return list(slots)
        chosen: dict[str, Slot] = {}
        for slot in sorted(slots):
            name, kind = slot
            if name not in chosen or kind == self.definitions.kind(group, name):
                chosen[name] = slot
        _disagreements.labels(group).inc(len(slots) - len(chosen))
        _log.warning("a meter of %s came as two kinds: %s; one was left out", group, ", ".join(map(str, slots)))
        return list(chosen.values())
