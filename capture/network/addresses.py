"""Addresses as they are written in the names of sources."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from re import compile as pattern
from typing import Final

from msgspec import Struct

from topics.errors import TaplineError

_form: Final = pattern(r"([a-z]+)://(?:\[([0-9A-Fa-f:.%\w]*)\]|([^:/\[\]\s]*))(?::([0-9]{1,5}))?/?").fullmatch


class Address(Struct, frozen=True):
    """Where to listen: ``transport`` is ``udp``, ``tcp`` or ``tls``.

    An empty ``host`` is every address of this machine, port 0 any that is free.
    """

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}://{host}:{self.port}"


def read_address(text: str, ports: Mapping[str, int]) -> Address:
    """The address in ``udp://HOST:PORT``; ``ports`` are the transports there are and their default ports.

    :class:`TaplineError` when it is none; its message lacks what would be right.
    """
    match = _form(text)
    if match is None or match[1] not in ports:
        raise TaplineError(f"{text} is no address to listen on")
    transport, bracketed, plain, digits = match.groups()
    port = int(digits) if digits else ports[transport]
    if port > 65_535:
        raise TaplineError(f"{text}: there is no port {port}")
    return Address(transport, bracketed or plain or "", port)


def plain_address(text: str) -> str:
    """An IP address as records write it (no zone, no IPv4 in IPv6, shortest form), empty for anything else."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
