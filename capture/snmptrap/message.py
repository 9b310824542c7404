"""What a datagram of SNMP says: RFC 1157, RFC 1901, RFC 3412, and their PDUs of RFC 3416."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from capture.snmptrap.ber import SEQUENCE, BerError, Reader

TRAP_V1: Final = 0xA4
INFORM: Final = 0xA6
TRAP: Final = 0xA7
RESPONSE: Final = 0xA2

MOST_VARIABLES: Final = 100
"""Most variables of a trap that are kept."""

SYS_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
TRAP_NAME: Final = "1.3.6.1.6.3.1.1.4.1.0"
TRAP_ADDRESS: Final = "1.3.6.1.6.3.18.1.3.0"
GENERIC: Final = "1.3.6.1.6.3.1.1.5"
_ENTERPRISE_SPECIFIC: Final = 6
_UNSPECIFIED: Final = "0.0.0.0"  # noqa: S104 - what an agent without an address says

REASONS: Final = {
    "ber": "it is not BER, or not all of it is there",
    "version": "it is of no version of SNMP",
    "no-trap": "it is a question or an answer, not a trap",
    "community": "its community is not that of capture.snmp.trap_community",
    "user": "its user is not among capture.snmp.trap_users",
    "level": "it is less protected than its user is to be",
    "authentication": "it does not prove that its user sent it",
    "encryption": "it cannot be decrypted",
    "time-window": "it is older than what its sender has sent before",
    "engine": "it is an inform for another engine of SNMPv3, or there are no users here",
}
"""Why a datagram is rejected."""


class Rejected(ValueError):
    """A datagram that is no trap to take, by one of :data:`REASONS`; ``answer`` is what its sender is told."""

    def __init__(self, reason: str, detail: str = "", answer: bytes = b"") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.answer = answer
        self.detail = f"{REASONS[reason]}: {detail}" if detail else REASONS[reason]


class Asked(Exception):
    """A datagram that asks for our engine's id (``discoveries``) or clock (``synchronisations``), and its answer."""

    def __init__(self, counter: str, answer: bytes) -> None:
        super().__init__(counter)
        self.counter = counter
        self.answer = answer


class Trap(Struct, kw_only=True):
    """A trap.

    ``name`` is its object identifier as SNMPv2 has it, ``uptime`` the sysUpTime of who sent it in hundredths of a
    second. ``agent`` is whose trap it is, where the message says so because somebody else handed it on.
    ``variables`` are its other variables, ``left_out`` how many more it had. ``answer`` is what an inform waits for,
    ``request`` its number, which is the same when it is sent again.
    """

    version: str
    name: str
    uptime: int
    agent: str = ""
    user: str = ""
    variables: list[tuple[str, str]] = []
    left_out: int = 0
    request: int = 0
    answer: bytes = b""


_numbers = re.compile(r"[0-9]+(\.[0-9]+)+", re.ASCII).fullmatch
_address = re.compile(r"[0-9]+(\.[0-9]+){3}", re.ASCII).fullmatch


class Opened(Struct, frozen=True):
    """What a message of SNMPv3 holds: its user and the scoped PDU (RFC 3412, 6).

    ``answer`` makes a message of the scoped PDU of a response.
    """

    user: str
    scoped: bytes
    answer: Callable[[bytes], bytes]


OpenV3 = Callable[[bytes, Reader], Opened]
"""Opens a message of SNMPv3 after its version."""


def parse(data: bytes, community: str, open_v3: OpenV3) -> Trap:
    """The trap that a datagram carries, of ``community`` where that is not empty.

    :class:`Rejected` when it is none, :class:`Asked` when it is a step before an inform.
    """
    try:
        message = Reader(data).inner(SEQUENCE)
        version = message.integer()
        if version == 3:
            return _trap_v3(open_v3(data, message))
        if version not in (0, 1):
            raise Rejected("version", str(version))
        given = message.octets()
        if community and given != community.encode():
            raise Rejected("community")
        trap, place = _pdu(data, message, "v2c" if version else "v1")
        if data[place] == INFORM:
            trap.answer = _response(data, place)
    except BerError as error:
        raise Rejected("ber", str(error)) from error
    return trap


def _trap_v3(opened: Opened) -> Trap:
    scoped = opened.scoped
    whole = Reader(scoped)
    inner = whole.inner(SEQUENCE)
    inner.octets()
    inner.octets()
    trap, place = _pdu(scoped, inner, "v3")
    trap.user = opened.user
    if scoped[place] == INFORM:
        # Behind it may stand what fills up the last block of its encryption.
        trap.answer = opened.answer(_response(scoped[: whole.position], place))
    return trap


def _response(data: bytes, place: int) -> bytes:
    """An inform at this place made a response: it says the same (RFC 3416, 4.2.7)."""
    return data[:place] + bytes((RESPONSE,)) + data[place + 1 :]


def _pdu(data: bytes, reader: Reader, version: str) -> tuple[Trap, int]:
    """The trap of a PDU, and where that begins."""
    place = reader.position
    tag, start, end = reader.next()
    pdu = Reader(data, start, end)
    if tag == TRAP_V1 and version == "v1":
        return _trap_v1(pdu), place
    if version == "v1" or tag not in (TRAP, INFORM):
        raise Rejected("no-trap", f"PDU {tag:#04x}")
    request = pdu.integer()
    pdu.integer()
    pdu.integer()
    trap = Trap(version=version, name="", uptime=0, request=request)
    _take_variables(trap, pdu)
    if not trap.name:
        raise Rejected("ber", "it does not say which trap it is")
    return trap, place


def _trap_v1(pdu: Reader) -> Trap:
    """A Trap-PDU of SNMPv1, named as RFC 3584, 3.1 names it."""
    enterprise = pdu.identifier()
    agent = pdu.address()
    generic, specific, uptime = pdu.integer(), pdu.integer(), pdu.number()
    known = 0 <= generic < _ENTERPRISE_SPECIFIC
    name = f"{GENERIC}.{generic + 1}" if known else f"{enterprise}.0.{specific}"
    trap = Trap(version="v1", name=name, uptime=uptime, agent="" if agent == _UNSPECIFIED else agent)
    _take_variables(trap, pdu)
    return trap


def _take_variables(trap: Trap, pdu: Reader) -> None:
    variables = pdu.inner(SEQUENCE)
    while variables.more:
        variable = variables.inner(SEQUENCE)
        name = variable.identifier()
        value = variable.value()
        if name == SYS_UPTIME and value.isdecimal():
            trap.uptime = int(value)
        elif name == TRAP_NAME and _numbers(value):
            trap.name = value
        elif name == TRAP_ADDRESS and _address(value):
            trap.agent = value
        elif len(trap.variables) < MOST_VARIABLES:
            trap.variables.append((name, value))
        else:
            trap.left_out += 1
