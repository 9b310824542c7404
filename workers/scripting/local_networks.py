"""Which addresses are one's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from topics.errors import TaplineError

REMEMBERED: Final = 100_000
"""So many addresses are known without looking at the networks again."""


@lru_cache(maxsize=8)
def local_networks(networks: tuple[str, ...]) -> Callable[[str], bool]:
    """A function that tells whether an address lies in one of these networks (CIDR); what is no address does not.

    :class:`TaplineError` names a network that is none.
    """
    by_version: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for text in networks:
        try:
            network = ip_network(text, strict=False)
        except ValueError as error:
            raise TaplineError(f"workers.local_networks: {error}; give networks as 192.0.2.0/24") from error
        by_version[network.version].append((int(network.network_address), int(network.netmask)))

    def is_local(ip: str) -> bool:
        try:
            address = ip_address(ip)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            address = mapped
        value = int(address)
        return any(value & mask == network for network, mask in by_version[address.version])

    return _Known(is_local).__getitem__


class _Known(dict[str, bool]):
    """What is known of addresses; the networks are asked once for each. Looking up takes less than a call would."""

    def __init__(self, ask: Callable[[str], bool]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, ip: str) -> bool:
        if len(self) >= REMEMBERED:
            self.clear()
        found = self[ip] = self._ask(ip)
        return found
