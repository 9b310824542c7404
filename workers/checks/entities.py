"""The entities of a window or a longer period: what checks look at, made of the counters of their groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tapline.checks.entities import Entity, EntityKind, Granularity
from tapline.groups import TOTALS
from workers.counting.counter_sums import Place
from workers.counting.groups import FROM_FLOWS
from workers.counting.meters import Number
from workers.windows.lineage import FLOW_SUMS, METRIC_SUMS

FROM_SAMPLES: Final = frozenset(("Capture",))
"""The groups of ours that capture nodes sample."""

JOINED: Final = f"{FLOW_SUMS}+{METRIC_SUMS}"
"""The lane of what is put together from flows and samples: it has a window when both have it."""

ANY_LANE: Final = ""
_ADDRESSES: Final = frozenset(("host", "network", "snmp_device"))
_NOTHING: Final[Mapping[str, Number]] = {}

Meters = Mapping[str, Number]
ByKey = Mapping[str, Meters]
"""The meters of a group's keys."""


def lane_of(groups: Iterable[str]) -> str:
    """The lane whose windows have these groups; empty for groups that may come in any."""
    found = {
        FLOW_SUMS if group in FROM_FLOWS else METRIC_SUMS if group in FROM_SAMPLES else ANY_LANE for group in groups
    }
    if found == {FLOW_SUMS, METRIC_SUMS}:
        return JOINED
    return found.pop() if len(found) == 1 else ANY_LANE


def by_group(results: Mapping[Place, dict[str, Number]], wanted: frozenset[str]) -> dict[str, dict[str, Meters]]:
    """The results of the groups wanted, without their totals."""
    found: dict[str, dict[str, Meters]] = {group: {} for group in wanted}
    for (group, key), meters in results.items():
        if group in wanted and key != TOTALS:
            found[group][key] = meters
    return found


class Standing(NamedTuple):
    """What is known of entities beside their meters: whose they are, their pools, and what is engaged on them."""

    is_local: Callable[[str], bool]
    pools_of: Callable[[str, str], tuple[str, ...]]
    engaged: Mapping[tuple[str, str], tuple[str, ...]]
    """Types of alerts, by kind and name."""


def entities(
    kind: EntityKind,
    groups: Sequence[str],
    counted: Mapping[str, ByKey],
    granularity: Granularity,
    start: int,
    standing: Standing,
) -> list[Entity]:
    """The entities of a kind that some of these groups have counted, by name.

    Of two groups that have a meter of the same name, the one named first gives its value.
    """
    first, *others = (counted.get(group, {}) for group in groups)
    names: Any = first.keys()
    for other in others:
        names = names | other.keys()
    found = []
    for name in sorted(names):
        meters = first.get(name, _NOTHING)
        for other in others:
            more = other.get(name)
            if more:
                meters = {**more, **meters} if meters else more
        found.append(entity(kind, name, meters, granularity, start, standing))
    return found


def entity(
    kind: EntityKind, name: str, meters: Meters, granularity: Granularity, start: int, standing: Standing
) -> Entity:
    """An entity in the period that begins at ``start``."""
    return Entity(
        kind=kind,
        name=name,
        granularity=granularity,
        window=start,
        meters=meters,
        is_local=kind in _ADDRESSES and standing.is_local(name.partition("/")[0]),
        pools=standing.pools_of(kind, name),
        engaged=standing.engaged.get((kind, name), ()),
    )
