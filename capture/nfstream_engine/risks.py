"""The names of nDPI's flow risks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from _lib_engine import ffi

_ffi: Final[Any] = ffi
_NO_RISK, _END = "no_risk", "max_risk"

NAMES: Final[dict[int, str]] = {
    number: name
    for number, constant in sorted(_ffi.typeof("ndpi_risk_enum").elements.items())
    if (name := constant.removeprefix("NDPI_").lower()) not in {_NO_RISK, _END}
}
"""The name of each risk by its number, as the library at hand has them (``ndpi_risk_enum``)."""


@lru_cache(maxsize=1024)
def risks_of(bits: int) -> tuple[str, ...]:
    """The names of the risks whose bits are set, in the order of their numbers."""
    return tuple(name for number, name in NAMES.items() if bits >> number & 1)
