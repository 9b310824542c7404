"""The source that takes traps."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import sys
from typing import Final

from msgspec.structs import replace

from capture.network.addresses import Address, plain_address
from capture.network.sockets import bound
from capture.snmp.settings import SnmpSettings
from capture.snmptrap import NAME
from capture.snmptrap.intake import Intake
from capture.snmptrap.users import Users
from capture.source import Observation, Sink

_WAIT: Final = 0.2
_LARGEST: Final = 65_535
_BURST: Final = 500
_LAST_BURSTS: Final = 100
_OVERFLOWS: Final = 40
"""SO_RXQ_OVFL of Linux, which Python does not name: how many datagrams the kernel has dropped for want of room."""

_FORCE: Final = 33
"""SO_RCVBUFFORCE of Linux, which Python does not name either."""

_COUNT_LENGTH: Final = 4
_log = logging.getLogger("tapline.capture")


class TrapListener:
    """Traps that are sent to an address, until :meth:`stop`. ``port`` is where it listens, 0 before it does."""

    def __init__(
        self, observation: Observation, address: Address, settings: SnmpSettings, community: str, users: Users
    ) -> None:
        self.port = 0
        self._observation = observation
        self._address = address
        self._settings = settings
        self._community = community
        self._users = users
        self._dropped = 0
        self._stopping = False

    @property
    def name(self) -> str:
        """``snmptrap``."""
        return NAME

    def run(self, sink: Sink) -> None:
        settings = self._settings
        self._users.start()
        intake = Intake(self._observation, self._community, self._users.open, settings.rejected_per_minute, sink)
        with bound(self._address, socket.SOCK_DGRAM) as listening, selectors.DefaultSelector() as selector:
            listening.setsockopt(socket.SOL_SOCKET, _OVERFLOWS, 1)
            _enlarge(listening, settings.receive_buffer)
            selector.register(listening, selectors.EVENT_READ)
            self.port = listening.getsockname()[1]
            _log.info("listening on %s", replace(self._address, port=self.port))
            while not self._stopping:
                selector.select(_WAIT)
                intake.windows.look()
                self._read(listening, intake)
            for _ in range(_LAST_BURSTS):
                if not self._read(listening, intake):
                    break
        intake.finish()

    def stop(self) -> None:
        self._stopping = True

    def _read(self, listening: socket.socket, intake: Intake) -> bool:
        """Take what has come, a burst at most; False where nothing is left."""
        for _ in range(_BURST):
            try:
                datagram, told, _, name = listening.recvmsg(_LARGEST, socket.CMSG_SPACE(_COUNT_LENGTH))
            except BlockingIOError:
                return False
            for _, kind, data in told:
                if kind == _OVERFLOWS:
                    total = int.from_bytes(data[:_COUNT_LENGTH], sys.byteorder)
                    intake.drop((total - self._dropped) % (1 << 32))
                    self._dropped = total
            answer = intake.take(datagram, plain_address(name[0]))
            if answer:
                # Whoever waits for an answer that was lost asks again.
                with contextlib.suppress(OSError):
                    listening.sendto(answer, name)
        return True


def _enlarge(listening: socket.socket, wanted: int) -> None:
    """Ask the kernel to keep more; only root gets more than net.core.rmem_max."""
    try:
        listening.setsockopt(socket.SOL_SOCKET, _FORCE, wanted)
    except OSError:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
