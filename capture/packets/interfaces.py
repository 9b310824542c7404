"""The network interfaces of this machine: which there are, and whether one can be captured from now."""

from __future__ import annotations

import fcntl
import logging
import socket
import struct
from typing import Final

from capture import metrics
from topics.errors import TaplineError

_log = logging.getLogger(__name__)

ANY: Final = "any"
"""The name that stands for all interfaces."""

_GET_FLAGS: Final = 0x8913
_UP: Final = 1


def is_interface(name: str) -> bool:
    """True when this machine has an interface of this name."""
    return name == ANY or any(name == interface for _, interface in socket.if_nameindex())


def check_interface(name: str) -> None:
    """Raise :class:`TaplineError` naming the interfaces there are, unless this is one."""
    if not is_interface(name):
        raise TaplineError(f"interface {name} does not exist: {choices()}")


def choices() -> str:
    """What a user may choose from, in words."""
    return "choose " + ", ".join([name for _, name in socket.if_nameindex()] + [ANY])


def is_up(name: str) -> bool:
    """True when there is an interface of this name and it is up (IFF_UP, netdevice(7))."""
    if name == ANY:
        return True
    request = struct.pack("16sH14x", name.encode()[:15], 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, _GET_FLAGS, request)
        except OSError:
            return False
    return bool(struct.unpack_from("16xH", answer)[0] & _UP)


class InterfaceWatch:
    """Tells once, in the log and in a gauge, when an interface goes away or down and when it is back.

    It is to be made when the interface is captured. ``losses`` counts how often it went.
    """

    def __init__(self, name: str) -> None:
        self.losses = 0
        self._name = name
        self._there = True
        self._gauge = metrics.INTERFACE_UP.labels(name)
        self._gauge.set(1)

    def look(self, *, there: bool) -> None:
        """Note whether packets can be captured now."""
        if there == self._there:
            return
        self._there = there
        self._gauge.set(int(there))
        if there:
            _log.info("interface %s is back: it is captured again", self._name)
            return
        self.losses += 1
        state = "is down" if is_interface(self._name) else "is gone"
        _log.warning("interface %s %s: it is captured again when it is back", self._name, state)
