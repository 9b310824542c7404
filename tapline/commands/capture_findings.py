"""What `tapline doctor` looks at where traffic is captured and received."""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from tapline.commands.finding import Finding
from tapline.configuration import Configuration
from workers.scripting.local_networks import local_networks

_NET_ADMIN, _NET_RAW = 12, 13
_SO_RCVBUFFORCE: Final = 33
_ETHTOOL: Final = 0x8946
_GET_GRO, _GET_FLAGS = 0x2B, 0x25
_LRO_FLAG: Final = 1 << 15
"""From linux/sockios.h and linux/ethtool.h."""


def live_capture(_configuration: Configuration) -> Iterator[Finding]:
    """Whether this process may open interfaces."""
    if _may(_NET_RAW) and _may(_NET_ADMIN):
        yield Finding("live capture", "ok", "interfaces can be opened")
    else:
        yield Finding(
            "live capture",
            "warning",
            "interfaces cannot be opened by this user; files can be read",
            "run `tapline capture` for interfaces as root, or with CAP_NET_RAW and CAP_NET_ADMIN",
        )


def interfaces(names: Sequence[str]) -> Iterator[Finding]:
    """Whether each of these is there and up, and whether it hands over packets as they were on the wire."""
    known = psutil.net_if_stats()
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known))
            yield Finding(name, "problem", "there is no such interface", f"name one of these: {there}")
            continue
        if not known[name].isup:
            yield Finding(name, "problem", "the interface is down", f"bring it up: `ip link set {name} up`")
        merging = [feature for feature, on in _merging(name).items() if on]
        if merging:
            off = " ".join(f"{feature} off" for feature in merging)
            yield Finding(
                name,
                "warning",
                f"{' and '.join(merging)} on: packets are merged before they are captured, so that their number and"
                " sizes are not those of the wire",
                f"turn it off: `ethtool -K {name} {off}`",
            )
        elif known[name].isup:
            yield Finding(name, "ok", f"up, packets of up to {known[name].mtu} bytes as they are")


def buffers(configuration: Configuration) -> Iterator[Finding]:
    """Whether the kernel keeps as much of datagrams as sources ask for."""
    settings = configuration.capture
    wanted = {
        "capture.syslog": settings.syslog.receive_buffer,
        "capture.flow_exports": settings.flow_exports.receive_buffer,
    }
    block, most = max(wanted.items(), key=lambda item: item[1])
    granted = _granted(most)
    if granted < most:
        yield Finding(
            "socket buffers",
            "warning",
            f"the kernel keeps {granted:,} bytes of datagrams, not the {most:,} of {block}.receive_buffer: bursts of"
            " syslog and NetFlow are lost",
            f"raise it: `sysctl -w net.core.rmem_max={most}`",
        )
    else:
        yield Finding("socket buffers", "ok", f"{most:,} bytes of datagrams")


def own_addresses(configuration: Configuration) -> Iterator[Finding]:
    """Whether this machine's public addresses are among those that count as one's own."""
    networks = local_networks(tuple(configuration.workers.local_networks))
    outside = [
        f"{address} of {name}"
        for name, addresses in sorted(psutil.net_if_addrs().items())
        for entry in addresses
        if entry.family in (socket.AF_INET, socket.AF_INET6)
        for address in [ipaddress.ip_address(entry.address.partition("%")[0])]
        if address.is_global and not networks(str(address))
    ]
    if outside:
        yield Finding(
            "local networks",
            "warning",
            f"{', '.join(outside)} is no address of workers.local_networks: its hosts count as foreign ones",
            "add the networks that are yours to workers.local_networks",
        )
    else:
        yield Finding("local networks", "ok", "this machine's addresses are in workers.local_networks")


def _may(capability: int) -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> capability & 1)


def _granted(wanted: int) -> int:
    """How many bytes of datagrams the kernel keeps for this process when asked for so many."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        option = _SO_RCVBUFFORCE if _may(_NET_ADMIN) else socket.SO_RCVBUF
        probe.setsockopt(socket.SOL_SOCKET, option, wanted)
        # The kernel tells twice what was asked for.
        return probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def _merging(name: str) -> dict[str, bool]:
    """Whether an interface merges packets, by the feature's name for ethtool; False where it does not say."""
    return {"gro": bool(_ask(name, _GET_GRO)), "lro": bool(_ask(name, _GET_FLAGS) & _LRO_FLAG)}


def _ask(name: str, question: int) -> int:
    value = ctypes.create_string_buffer(struct.pack("II", question, 0))
    request = struct.pack("16sP", name.encode(), ctypes.addressof(value)).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _ETHTOOL, request)
        except OSError:
            return 0
    answer: int = struct.unpack("II", value.raw[:8])[1]
    return answer
