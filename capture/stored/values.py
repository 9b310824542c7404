"""Values as the programs print them."""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from capture.eve.ends import NAMES
from capture.stored.format import StoredError

MOST: Final = 1 << 56
"""No flow has moved so many bytes: a record that says so is wrong."""

_TRANSPORTS: Final = [NAMES.get(number) or f"protocol-{number}" for number in range(256)]


def ends_of(source: str, destination: str) -> tuple[bytes, bytes]:
    """Both addresses, packed; :class:`StoredError` when they are not two of one kind."""
    packed = _packed(source), _packed(destination)
    if len(packed[0]) != len(packed[1]):
        raise StoredError("address", "one end has an address of IPv4, the other one of IPv6")
    return packed


def transport_of(protocol: int) -> str:
    """The name of an IP protocol by its number, 0 to 255."""
    return _TRANSPORTS[protocol]


def mac_of(text: str) -> str:
    """A MAC address in lower case, empty where all of it is zero."""
    return text.lower() if text.strip("0:") else ""


@lru_cache(maxsize=1 << 14)
def _packed(address: str) -> bytes:
    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except (OSError, ValueError) as error:
        raise StoredError("address", f"{address[:64]!r} is no IP address") from error
