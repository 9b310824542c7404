"""Whose a line is: the producer, whose handlers it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Final

FORTINET: Final = "fortinet"
ANY: Final = "*"
_FORTINET_BEGINS: Final = "date="
_KEPT: Final = 10_000


class Producers:
    """Chooses producers by the ``producers`` of the settings.

    The first that applies: a text that begins with ``date=`` is Fortinet's; the entry for the client address that a
    collector put before the line; for the host named in the message; for the sender's address; the application's name
    in lower case; the entry ``*``. Names and addresses are compared whatever their case and spelling.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        self._any = named.get(ANY, "")
        self._named = {plain_address(name) or name.lower(): producer for name, producer in named.items()}
        self._chosen: dict[tuple[str, str, str, str], str] = {}

    def choose(self, text: str, client: str, device: str, peer: str, application: str) -> str:
        """The producer of a line, empty where none applies."""
        if text.startswith(_FORTINET_BEGINS):
            return FORTINET
        key = (client, device, peer, application)
        chosen = self._chosen.get(key)
        if chosen is None:
            if len(self._chosen) >= _KEPT:
                self._chosen.clear()
            chosen = self._chosen[key] = self._choose(*key)
        return chosen

    def _choose(self, client: str, device: str, peer: str, application: str) -> str:
        for name in (client, device, peer):
            if name:
                found = self._named.get(plain_address(name) or name.lower())
                if found:
                    return found
        return application.lower() or self._any


def plain_address(text: str) -> str:
    """An IP address as records write it (no zone, no IPv4 in IPv6, shortest form), empty for anything else."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
