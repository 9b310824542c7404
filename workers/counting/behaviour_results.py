"""What coded sums and sets come to, for many keys at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from workers.counting.behaviour_groups import FIRST_SECOND_CODE, ROLES, SECOND_KINDS, SUMS
from workers.counting.coded import CODE_BITS, CODES, MEMBER_BITS, MOST_MEMBER, unpacked
from workers.counting.columns import Ints, distinct
from workers.counting.meters import MOST_MEMBERS, Number

_RANK_BITS: Final = 32
_SECOND_BITS: Final = 6
_COUNT_BITS: Final = 36
_NAMES: Final = tuple(SUMS)
_IN_MILLISECONDS: Final = tuple(f"{role}_remote_access_seconds" for role in ROLES)
"""What is counted more finely than it is shown."""

_PEAK_KINDS: Final = {
    "flows_per_second": ("other", "syn", "dns", "syn dns", "snmp"),
    "syn_per_second": ("syn", "syn dns"),
    "dns_flows_per_second": ("dns", "syn dns"),
    "snmp_flows_per_second": ("snmp",),
    "icmp_packets_per_second": ("icmp",),
}


def behaviour(sent: Sequence[list[str]]) -> list[dict[str, Number]]:
    """The meters of each key, of what partitions have sent of its sums."""
    owners, values = _numbers(sent)
    codes, counts = values & (CODES - 1), values >> CODE_BITS
    meters: list[dict[str, Number]] = [{} for _ in sent]
    of_second = codes >= FIRST_SECOND_CODE
    plain = ~of_second
    sums = np.bincount(owners[plain] * FIRST_SECOND_CODE + codes[plain], counts[plain])
    places = np.flatnonzero(sums)
    for place, amount in zip(places.tolist(), sums[places].astype(np.int64).tolist(), strict=True):
        owner, code = divmod(place, FIRST_SECOND_CODE)
        meters[owner][_NAMES[code]] = amount
    for name in _IN_MILLISECONDS:
        for of_host in meters:
            if name in of_host:
                of_host[name] /= 1000
    _add_peaks(meters, owners[of_second], codes[of_second], counts[of_second])
    return meters


def sets(sent: Sequence[list[str]], names: Sequence[str]) -> list[dict[str, Number]]:
    """The sizes of each key's sets, of what partitions have sent of them; and ``mac``, where there is one."""
    meters: list[dict[str, Number]] = [{} for _ in sent]
    if not meters:
        return meters
    owners, values = _numbers(sent)
    kinds = distinct(values)
    ranks = np.searchsorted(kinds, values)
    pairs = distinct((owners << _RANK_BITS) | ranks)
    owners, values = pairs >> _RANK_BITS, kinds[pairs & ((1 << _RANK_BITS) - 1)]
    codes = values >> MEMBER_BITS
    places, first, sizes = np.unique(owners * len(names) + codes, return_index=True, return_counts=True)
    for place, size in zip(places.tolist(), np.minimum(sizes, MOST_MEMBERS).tolist(), strict=True):
        owner, code = divmod(place, len(names))
        meters[owner][names[code]] = size
    if "mac" not in names and "macs" in names:
        _add_mac(meters, places, values[first], names.index("macs"), len(names))
    return meters


def _add_mac(meters: list[dict[str, Number]], places: Ints, members: Ints, code: int, width: int) -> None:
    rows = np.flatnonzero(places % width == code)
    for owner, member in zip((places[rows] // width).tolist(), (members[rows] & MOST_MEMBER).tolist(), strict=True):
        if meters[owner]["macs"] == 1:
            meters[owner]["mac"] = member


def _numbers(sent: Sequence[list[str]]) -> tuple[Ints, Ints]:
    """All coded numbers, each with the index of the key it is of."""
    coded = list(map(unpacked, sent))
    values = np.frombuffer(b"".join(coded), np.int64)
    return np.repeat(np.arange(len(sent), dtype=np.int64), [len(numbers) // 8 for numbers in coded]), values


def _add_peaks(meters: list[dict[str, Number]], owners: Ints, codes: Ints, counts: Ints) -> None:
    """The largest of the least sums of three seconds in a row; see :func:`~workers.counting.meters.sustained`."""
    of_role, seconds = np.divmod(codes - FIRST_SECOND_CODE, 60)
    roles, kinds = np.divmod(of_role, len(SECOND_KINDS))
    # The seconds of one host and role stand 64 apart from those of the next: none is the neighbour of another's.
    blocks = owners * len(ROLES) + roles
    places = (((blocks << _SECOND_BITS) | seconds) << _COUNT_BITS) | np.minimum(counts, (1 << _COUNT_BITS) - 1)
    for peak, names in _PEAK_KINDS.items():
        counted = np.isin(SECOND_KINDS, names)[kinds]
        each = np.sort(places[counted])
        at, amounts = each >> _COUNT_BITS, each & ((1 << _COUNT_BITS) - 1)
        begins = np.flatnonzero(np.diff(at, prepend=-1))
        if len(begins) <= 2:
            continue
        at, sums = at[begins], np.add.reduceat(amounts, begins)
        row = np.flatnonzero(at[2:] - at[:-2] == 2)
        lasting = np.minimum(np.minimum(sums[row], sums[row + 1]), sums[row + 2])
        of_block = at[row] >> _SECOND_BITS
        first = np.flatnonzero(np.diff(of_block, prepend=-1))
        if len(first):
            largest = np.maximum.reduceat(lasting, first).tolist()
            for block, most in zip(of_block[first].tolist(), largest, strict=True):
                owner, role = divmod(block, len(ROLES))
                meters[owner][f"{ROLES[role]}_{peak}"] = most
