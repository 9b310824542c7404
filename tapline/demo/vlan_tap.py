"""Carry the frames of a tap interface over an Ethernet interface with an 802.1Q tag.

Used for the demo's voice VLAN, because a kernel need not have VLAN interfaces. Run inside a namespace as
``python vlan_tap.py TAP ETHERNET VLAN``; it runs until it is ended.
"""

import fcntl
import os
import selectors
import socket
import struct
import sys

_TUNSETIFF = 0x400454CA
_IFF_TAP_NO_PI = 0x1002
_ETH_P_ALL = 0x0003
_ETH_P_8021Q = 0x8100
_SOL_PACKET = 263
_PACKET_AUXDATA = 8
_PACKET_OUTGOING = 4
_STATUS_VLAN_VALID = 0x10
_AUXDATA = struct.Struct("=IIIHHHH")
_ADDRESSES = 12
_LONGEST = 65535


def tagged(frame: bytes, vlan: int) -> bytes:
    """Return an Ethernet frame with an 802.1Q tag of priority 0 put in after the addresses."""
    return frame[:_ADDRESSES] + struct.pack("!HH", _ETH_P_8021Q, vlan) + frame[_ADDRESSES:]


def main() -> None:
    """Forward frames both ways until the process is ended."""
    tap_name, ethernet_name, vlan = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH", tap_name.encode(), _IFF_TAP_NO_PI))
    ethernet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    ethernet.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    ethernet.bind((ethernet_name, _ETH_P_ALL))
    with selectors.DefaultSelector() as ready:
        ready.register(tap, selectors.EVENT_READ)
        ready.register(ethernet, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj == tap:
                    ethernet.send(tagged(os.read(tap, _LONGEST), vlan))
                else:
                    frame = _untagged_frame(ethernet, vlan)
                    if frame:
                        os.write(tap, frame)


def _untagged_frame(ethernet: socket.socket, vlan: int) -> bytes | None:
    """Read one frame; return it without its tag, or None if it is our own or not of this VLAN.

    The kernel takes the tag off before a packet socket sees the frame and tells it as auxiliary data.
    """
    frame, ancillary, _, address = ethernet.recvmsg(_LONGEST, socket.CMSG_SPACE(_AUXDATA.size))
    if address[2] == _PACKET_OUTGOING:
        return None
    for level, kind, data in ancillary:
        if level == _SOL_PACKET and kind == _PACKET_AUXDATA:
            status, _, _, _, _, control, _ = _AUXDATA.unpack(data)
            if status & _STATUS_VLAN_VALID and control & 0x0FFF == vlan:
                return frame
    return None


if __name__ == "__main__":
    main()
