"""Several processes that share the packets of an interface (packet(7), PACKET_FANOUT)."""

from __future__ import annotations

import os
import socket
from typing import Final

from msgspec import Struct

from capture.packets.interfaces import ANY
from topics.errors import TaplineError

_SOL_PACKET: Final = 263
_PACKET_FANOUT: Final = 18
_HASH: Final = 0
_UNIQUE: Final = 0x2000
_ALL_PROTOCOLS: Final = 0x0003


class Fanout(Struct, frozen=True):
    """A group of sockets on one interface, each of which gets the packets of other flows.

    The kernel hashes addresses and ports so that both directions of a flow come to the same member. It could put
    fragments together first, so that theirs would too, but then other packets would be counted than were on the wire:
    they are told apart by addresses alone. ``group`` is the kernel's number of the group, ``member`` ours of this
    process, from 1.
    """

    group: int
    member: int

    def join(self, descriptor: int) -> None:
        """Make this packet socket a member; :class:`TaplineError` when the kernel does not let it."""
        try:
            with socket.socket(fileno=os.dup(descriptor)) as member:
                member.setsockopt(_SOL_PACKET, _PACKET_FANOUT, self.group | _HASH << 16)
        except OSError as problem:
            raise TaplineError(
                f"cannot share the interface with other processes ({problem.strerror}): set capture.fanout to 1"
            ) from problem


def new_group(interface: str) -> int:
    """The number of a group for an interface that no other process has; needs the right to capture."""
    if interface == ANY:
        raise TaplineError(
            "packets of all interfaces (any) cannot be shared: name interfaces, or set capture.fanout to 1"
        )
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as probe:
            probe.bind((interface, _ALL_PROTOCOLS))
            probe.setsockopt(_SOL_PACKET, _PACKET_FANOUT, (_HASH | _UNIQUE) << 16)
            # The kernel does not give the number to another group until it has given all others.
            return probe.getsockopt(_SOL_PACKET, _PACKET_FANOUT) & 0xFFFF
    except PermissionError as problem:
        raise TaplineError(
            f"no permission to capture on {interface}: run as root, or with the capability CAP_NET_RAW"
        ) from problem
    except OSError as problem:
        raise TaplineError(f"cannot share {interface} between processes ({problem.strerror})") from problem
