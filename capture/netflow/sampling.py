"""What counters of sampled flows are multiplied by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from capture.netflow.domains import Domain
from capture.netflow.layout import numbers

_ALL = "all"


def rates_of(
    array: npt.NDArray[np.void], columns: frozenset[str], domain: Domain, headers: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Of how many packets one was looked at, for each record; 1 where all were, or nothing is known.

    The first that says so: the record itself; its sampler; its interface; the exporter for all records, or by the one
    sampler that it has; the header of its datagram (``headers``, 0 where it does not say).
    """
    known = domain.rates
    common = known.get(_ALL, 0)
    if not common and len(known) == 1:
        (name, only), *_ = known.items()
        common = only if name.startswith("sampler") else 0
    rates = np.where(common, common, headers)
    if known:
        for column, what in (("input", "interface"), ("sampler", "sampler")):
            if column in columns and any(name.startswith(what) for name in known):
                rates = _looked_up(numbers(array, column), what, known, rates)
    if "interval" in columns:
        own = np.minimum(numbers(array, "interval"), np.uint64(1 << 24)).astype(np.int64)
        rates = np.where(own > 0, own, rates)
    found: npt.NDArray[np.int64] = np.maximum(rates, 1)
    return found


def _looked_up(
    values: npt.NDArray[np.uint64], what: str, known: dict[str, int], otherwise: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    different, places = np.unique(values, return_inverse=True)
    rates = np.array([known.get(f"{what} {value}", 0) for value in different.tolist()], np.int64)[places]
    return np.where(rates > 0, rates, otherwise)
