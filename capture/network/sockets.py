"""Sockets bound to an address."""

from __future__ import annotations

import errno
import socket
from typing import Final

from capture.network.addresses import Address
from topics.errors import TaplineError

_WHY: Final = {
    errno.EADDRINUSE: "another program listens there: stop it or choose another port",
    errno.EACCES: "no permission: run as root or choose a port above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address: leave it out to listen on all",
}


def bound(address: Address, kind: socket.SocketKind, *, shared: bool = False) -> socket.socket:
    """A socket at this address that does not block; :class:`TaplineError` says why it cannot be.

    A ``shared`` one allows other processes of the same user to listen there as well: the kernel gives each sender to
    one of them.
    """
    host = address.host or None
    try:
        found = socket.getaddrinfo(host, address.port, type=kind, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise TaplineError(f"cannot listen on {address}: {error.strerror}: name an address of this machine") from error
    if host is None:
        # One socket of IPv6 hears both.
        found.sort(key=lambda each: each[0] != socket.AF_INET6)
    problem: OSError | None = None
    for family, _, protocol, _, name in found:
        opened = socket.socket(family, kind, protocol)
        try:
            if kind == socket.SOCK_STREAM:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host is not None))
            opened.bind(name)
            opened.settimeout(0)
        except OSError as error:
            opened.close()
            problem = error
            continue
        return opened
    assert problem is not None
    why = _WHY.get(problem.errno or 0, problem.strerror)
    raise TaplineError(f"cannot listen on {address}: {why}") from problem
