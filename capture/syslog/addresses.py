"""Where lines come from: ``syslog:udp://127.0.0.1:5514`` and the like."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from topics.errors import TaplineError

SCHEME: Final = "syslog:"
_PORTS: Final = {"udp": 514, "tcp": 601, "tls": 6514}
"""RFC 5426, 3195's registration that plain TCP uses, and RFC 5425."""

_form = re.compile(r"(udp|tcp|tls)://(?:\[([0-9A-Fa-f:.%\w]*)\]|([^:/\[\]\s]*))(?::([0-9]{1,5}))?/?").fullmatch
_HELP: Final = "write syslog:udp://HOST:PORT, syslog:tcp://HOST:PORT, syslog:tls://HOST:PORT or syslog:FILE"


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


def parse_address(source: str) -> Address | str:
    """The address, or the path of a file, that a source ``syslog:…`` names; :class:`TaplineError` for neither."""
    rest = source.removeprefix(SCHEME)
    if "://" not in rest:
        if not rest:
            raise TaplineError(f"{source} names nothing to read: {_HELP}")
        return rest
    match = _form(rest)
    if match is None:
        raise TaplineError(f"{source} is no address to listen on: {_HELP}")
    transport, bracketed, plain, digits = match.groups()
    port = int(digits) if digits else _PORTS[transport]
    if port > 65_535:
        raise TaplineError(f"{source}: there is no port {port}: {_HELP}")
    return Address(transport, bracketed or plain or "", port)
