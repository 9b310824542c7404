"""Where lines come from: ``syslog:udp://127.0.0.1:5514`` and the like."""

from __future__ import annotations

from typing import Final

from capture.network.addresses import Address, read_address
from topics.errors import TaplineError

SCHEME: Final = "syslog:"
_PORTS: Final = {"udp": 514, "tcp": 601, "tls": 6514}
"""RFC 5426, 3195's registration that plain TCP uses, and RFC 5425."""

_HELP: Final = "write syslog:udp://HOST:PORT, syslog:tcp://HOST:PORT, syslog:tls://HOST:PORT or syslog:FILE"


def parse_address(source: str) -> Address | str:
    """The address, or the path of a file, that a source ``syslog:…`` names; :class:`TaplineError` for neither."""
    rest = source.removeprefix(SCHEME)
    if "://" not in rest:
        if not rest:
            raise TaplineError(f"{source} names nothing to read: {_HELP}")
        return rest
    try:
        return read_address(rest, _PORTS)
    except TaplineError as error:
        raise TaplineError(f"{SCHEME}{error}: {_HELP}") from error
