"""Networks of a test's own: namespaces that are gone, with their interfaces, when the last process in them is."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NEW_NETWORK = 0x40000000
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_LIBC = ctypes.CDLL(None, use_errno=True)


def _may_make_networks() -> bool:
    try:
        with own_network():
            return True
    except OSError:
        return False


@contextmanager
def own_network() -> Iterator[None]:
    """Within the block this thread, and the threads and processes it starts, are in a new, empty network."""
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        if _LIBC.unshare(_NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "no network of its own")
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            if _LIBC.setns(before.fileno(), _NEW_NETWORK):
                raise OSError(ctypes.get_errno(), "cannot go back to the network before")


def ip(*arguments: str) -> None:
    """Run ip(8) in this network."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def cable(here: str, there: str) -> None:
    """Two interfaces that are up: what one sends the other receives, and nothing is sent by itself."""
    ip("link", "add", here, "type", "veth", "peer", "name", there)
    for name in (here, there):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        ip("link", "set", name, "up")


def sending(interface: str) -> socket.socket:
    """A socket that sends whole frames through an interface, at once."""
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    # The queue of an interface whose other end was down takes nothing for up to a second.
    sender.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
    sender.bind((interface, 0))
    return sender


def captures() -> int:
    """How many packet sockets receive in this network now."""
    lines = Path("/proc/thread-self/net/packet").read_text().splitlines()[1:]
    return sum(line.split()[5] == "1" and line.split()[3] != "0000" for line in lines)


needs_networks = pytest.mark.skipif(
    os.geteuid() != 0 or not _may_make_networks(), reason="making a network of one's own needs root and ip (iproute2)"
)
