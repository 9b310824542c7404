"""Free TCP ports for engines that may run anywhere."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Final

from topics.errors import TaplineError

_LOWEST: Final = 15000
_ATTEMPTS: Final = 1000


def free_port(taken: Collection[int] = ()) -> int:
    """A port of 127.0.0.1 that nothing listens on, and none of ``taken``.

    It lies below the range from which the kernel takes the local ports of outgoing connections. From
    within that range, a connection could get the port while its engine is down.
    """
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0]) - 1
    for _ in range(_ATTEMPTS):
        port = random.randint(_LOWEST, max(highest, _LOWEST + 1000))  # noqa: S311 - not a secret
        if port not in taken and _is_free(port):
            return port
    raise TaplineError("found no free TCP port: set services.kafka_port and services.elasticsearch_port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
