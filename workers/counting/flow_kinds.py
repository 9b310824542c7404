"""What kind of event a flow record is, by its protocol and flags: looked up once for all records that are alike."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.counting.behaviour_groups import ROLES, SECOND_KINDS, SUM_CODES

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

MOST_REMEMBERED: Final = 100_000
"""So many combinations of fields are looked up at once; beyond them they are sorted anew."""

REMOTE_ACCESS: Final = frozenset(
    ("ssh", "rdp", "vnc", "teamviewer", "anydesk", "telnet", "rustdesk", "radmin", "xdmcp", "citrix", "pcanywhere")
)
"""nDPI's names of protocols that give somebody a machine from afar, in lower case."""

_APPLICATIONS: Final = {"dns": "dns", "ntp": "ntp", "snmp": "snmp", "smtp": "smtp", "smtps": "smtp"}
_APPLICATIONS_OF: Final = {**_APPLICATIONS, **dict.fromkeys(REMOTE_ACCESS, "access")}
_TRANSPORTS: Final = {"tcp": "tcp", "udp": "udp", "icmp": "icmp", "ipv6-icmp": "icmp"}
_FLAGS: Final = FIN | SYN | RST | ACK


class Kind(NamedTuple):
    """A kind of flow records: what they count as for source and destination, and what else has to be looked at.

    ``second`` is the index of what is counted for the second in which the flow began, -1 for nothing.
    ``closer`` records have something that only their times and totals tell.
    """

    transport: str
    application: str
    first: bool
    final: bool
    source: tuple[int, ...]
    destination: tuple[int, ...]
    second: int
    closer: bool
    answers_syn: bool


Canonical = tuple[str, str, int, int, bool, bool, bool]


class KindTable(dict[Any, int]):
    """The number of each kind, by the fields of a record; kinds are numbered as they come and never forgotten.

    The fields are transport, application, both sides' TCP flags, ``record``, ``sequence``, and both sides'
    retransmissions and segments out of order.

    There are few: fields that make no difference are left out of what tells them apart.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[Kind] = []
        self.closer: list[bool] = []
        self._numbers: dict[Canonical, int] = {}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._made = 0

    def __missing__(self, fields: tuple[Any, ...]) -> int:
        transport, application, source, destination, record, sequence, *troubles = fields
        canonical = (
            _TRANSPORTS.get(transport, ""),
            _application(application),
            source & _FLAGS,
            destination & _FLAGS,
            sequence == 0,
            record == "final",
            any(troubles),
        )
        number = self._numbers.get(canonical)
        if number is None:
            number = self._numbers[canonical] = len(self.kinds)
            kind = _kind(*canonical)
            self.kinds.append(kind)
            self.closer.append(kind.closer)
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        self[fields] = number
        return number

    def where(self, name: str) -> NDArray[np.bool_]:
        """For each kind whether it is one of these: ``tcp``, ``udp dns`` and so on."""
        if self._made != len(self.kinds):
            self._arrays.clear()
            self._made = len(self.kinds)
        found = self._arrays.get(name)
        if found is None:
            found = self._arrays[name] = np.array([_IS[name](kind) for kind in self.kinds], np.bool_)
        return found

    def seconds(self) -> NDArray[np.int8]:
        """What each kind counts as for the second in which the flow began; -1 for nothing."""
        return np.array([kind.second for kind in self.kinds], np.int8)


_IS: Final[dict[str, Any]] = {
    "first": lambda kind: kind.first,
    "final": lambda kind: kind.final,
    "tcp": lambda kind: kind.transport == "tcp",
    "udp": lambda kind: kind.transport == "udp",
    "first final udp": lambda kind: kind.transport == "udp" and kind.first and kind.final,
    "udp dns": lambda kind: kind.transport == "udp" and kind.application == "dns",
    "dns": lambda kind: kind.application == "dns",
    "ntp": lambda kind: kind.application == "ntp",
    "smtp": lambda kind: kind.application == "smtp",
}


def _application(name: str) -> str:
    """What matters of nDPI's name, either part of which may be it."""
    for part in name.lower().split("."):
        if part in _APPLICATIONS_OF:
            return _APPLICATIONS_OF[part]
    return ""


def _kind(
    transport: str,
    application: str,
    source: int,
    destination: int,
    first: bool,  # noqa: FBT001
    final: bool,  # noqa: FBT001
    troubled: bool,  # noqa: FBT001
) -> Kind:
    # A source that has sent SYN and ACK without a SYN from the other side has answered one nobody saw.
    syn = transport == "tcp" and bool(source & SYN) and (not source & ACK or bool(destination & SYN))
    answers = syn and bool(destination & SYN)
    of_roles = ["flows"]
    sent: list[str] = []
    back: list[str] = []
    if application == "access":
        of_roles.append("remote_access_flows")
    if first:
        of_roles.append("new_flows")
        if syn:
            of_roles.append("tcp_syn")
        if answers:
            of_roles += ["tcp_answered", "tcp_completed"] if source & ACK else ["tcp_answered"]
        if transport == "tcp" and source & FIN and not source & (SYN | ACK):
            of_roles.append("tcp_fin_scan")
    if final and transport == "tcp":
        if syn and not destination:
            of_roles.append("tcp_unanswered")
        elif syn and destination & RST and not destination & SYN:
            of_roles.append("tcp_refused")
        elif answers and not source & ACK:
            of_roles.append("tcp_half_open")
        if source & RST:
            sent.append("rst_sent")
            back.append("rst_received")
        if destination & RST:
            sent.append("rst_received")
            back.append("rst_sent")
    later = not first and (answers or (transport == "udp" and final))
    return Kind(
        transport=transport,
        application=application,
        first=first,
        final=final,
        source=_codes(ROLES[0], of_roles, sent),
        destination=_codes(ROLES[1], of_roles, back),
        second=_second(transport, application, syn=syn) if first else -1,
        closer=troubled or later or transport == "icmp" or application == "access",
        answers_syn=answers,
    )


def _codes(role: str, of_roles: list[str], directed: list[str]) -> tuple[int, ...]:
    return tuple(SUM_CODES[name] for name in (*(f"{role}_{name}" for name in of_roles), *directed))


def _second(transport: str, application: str, *, syn: bool) -> int:
    if application == "dns":
        return SECOND_KINDS.index("syn dns" if syn else "dns")
    if application == "snmp" and transport != "tcp":
        return SECOND_KINDS.index("snmp")
    return SECOND_KINDS.index("syn" if syn else "other")


KINDS: Final = KindTable()
"""Those of this process."""
