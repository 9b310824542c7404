"""From datagrams to alerts."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from capture.live_windows import LiveWindows
from capture.snmptrap import NAME
from capture.snmptrap.message import GENERIC, Asked, OpenV3, Rejected, Trap, parse
from capture.source import Observation, Sink
from capture.syslog.rejected import Rejected as RejectedLines
from topics.catalog import ALERT, METRIC
from topics.partitions import digest
from topics.records import WINDOW_SECONDS, Alert, Metric

GROUP: Final = "SNMP"
"""The group of the alerts."""

COUNTERS: Final = "SNMP-Trap"
"""The counter group; its keys are observation points."""

TYPE: Final = "snmp_trap"

_INFORMATION: Final = 2
_NOTICE: Final = 3
_WARNING: Final = 4

_TRAPS: Final = {
    f"{GENERIC}.1": ("coldStart", _WARNING),
    f"{GENERIC}.2": ("warmStart", _NOTICE),
    f"{GENERIC}.3": ("linkDown", _WARNING),
    f"{GENERIC}.4": ("linkUp", _INFORMATION),
    f"{GENERIC}.5": ("authenticationFailure", _WARNING),
    f"{GENERIC}.6": ("egpNeighborLoss", _WARNING),
}
"""The traps of SNMPv2-MIB and IF-MIB (RFC 3418, RFC 2863), and how severe they are."""

_OF_INTERFACES: Final = frozenset({"linkDown", "linkUp"})
_INDEX: Final = "1.3.6.1.2.1.2.2.1.1"
_COLUMNS: Final = {
    _INDEX: "ifIndex",
    "1.3.6.1.2.1.2.2.1.2": "ifDescr",
    "1.3.6.1.2.1.2.2.1.7": "ifAdminStatus",
    "1.3.6.1.2.1.2.2.1.8": "ifOperStatus",
    "1.3.6.1.2.1.31.1.1.1.1": "ifName",
    "1.3.6.1.2.1.31.1.1.1.18": "ifAlias",
}
_SCALARS: Final = {"1.3.6.1.2.1.1.1.0": "sysDescr", "1.3.6.1.2.1.1.5.0": "sysName"}
_TOLD: Final = 10
"""Variables that stand in the message; all of them are attributes."""

_KEPT_INFORMS: Final = 1000
"""How many informs are known again."""

_LONGEST: Final = 1000
"""Characters kept of a value."""


class Intake:
    """Makes an alert of each trap; what is none is rejected for a reason, and all are counted.

    A window's sums are a sample of the counter group ``SNMP-Trap``, key: the observation point, meters ``traps``,
    ``bytes``, ``rejected``, and ``dropped`` by the kernel.
    """

    def __init__(
        self, observation: Observation, community: str, open_v3: OpenV3, rejected_per_minute: int, sink: Sink
    ) -> None:
        self.windows = LiveWindows(NAME, sink, self._put_sums)
        self._observation = observation
        self._community = community
        self._open_v3 = open_v3
        self._sink = sink
        self._rejected = RejectedLines(observation, NAME, rejected_per_minute, sink)
        self._number = 0
        self._traps = 0
        self._octets = 0
        self._dropped = 0
        self._told = (0, 0, 0, 0)
        self._informs: OrderedDict[str, None] = OrderedDict()

    def drop(self, datagrams: int) -> None:
        """The kernel has lost this many."""
        if datagrams:
            self._dropped += datagrams
            self._sink.count(NAME, "dropped.kernel", datagrams)

    def take(self, datagram: bytes, sender: str) -> bytes:
        """Take one datagram; what is to be sent back, empty for nothing."""
        now, window = self.windows.look(), self.windows.window
        self._number += 1
        self._octets += len(datagram)
        self._sink.count(NAME, "bytes", len(datagram))
        try:
            trap = parse(datagram, self._community, self._open_v3)
        except Rejected as rejected:
            self._rejected.add(datagram, self._number, rejected.reason, f"{sender}: {rejected.detail}", now, window)
            return rejected.answer
        except Asked as asked:
            self._sink.count(NAME, asked.counter)
            return asked.answer
        if trap.answer and self._repeated(trap, sender):
            self._sink.count(NAME, "repeated")
            return trap.answer
        self._traps += 1
        self._sink.count(NAME, "traps")
        if trap.left_out:
            self._sink.count(NAME, "variables-left-out", trap.left_out)
        alert = self._alert(trap, sender, now)
        self._sink.put(ALERT, f"{alert.type}\0{alert.entity}", alert, window)
        return trap.answer

    def finish(self) -> None:
        """Put the sums of the window that is open."""
        self._put_sums()

    def _repeated(self, trap: Trap, sender: str) -> bool:
        """True for an inform that has come before: whoever misses the answer sends it again."""
        said = digest(sender, trap.version, trap.user, trap.request, trap.name, trap.uptime, repr(trap.variables))
        if said in self._informs:
            return True
        self._informs[said] = None
        if len(self._informs) > _KEPT_INFORMS:
            self._informs.popitem(last=False)
        return False

    def _alert(self, trap: Trap, sender: str, now: int) -> Alert:
        observation = self._observation
        name, severity = _TRAPS.get(trap.name, (trap.name, _NOTICE))
        variables = {_variable(each): value[:_LONGEST] for each, value in trap.variables}
        device = trap.agent or sender
        # What two interfaces tell is not the same told twice.
        interface = _interface(trap) if name in _OF_INTERFACES else ""
        told = ", ".join(f"{each} {value}" for each, value in list(variables.items())[:_TOLD])
        attributes = {"version": trap.version, "uptime": f"{trap.uptime / 100:g}", "user": trap.user, **variables}
        return Alert(
            id=digest(observation.identity, NAME, self._number),
            time=now,
            node=observation.node,
            observation_point=observation.observation_point,
            source_ip=sender,
            type=TYPE,
            subtype=name,
            message=f"{name}: {told}" if told else name,
            entity=f"{device}:{interface}" if interface else device,
            entity_kind="snmp_interface" if interface else "snmp_device",
            group=GROUP,
            signature=trap.name,
            severity=severity,
            attributes={each: value for each, value in attributes.items() if value},
            category="network",
        )

    def _put_sums(self) -> None:
        """Put what came since the last sums, if anything did."""
        now = (self._traps, self._octets, self._rejected.count, self._dropped)
        if now == self._told:
            return
        traps, octets, rejected, dropped = (new - old for new, old in zip(now, self._told, strict=True))
        self._told = now
        observation, window = self._observation, self.windows.window
        sample = Metric(
            id=digest(observation.identity, COUNTERS, *now),
            time=(window + WINDOW_SECONDS) * 1_000_000 - 1,
            node=observation.node,
            observation_point=observation.observation_point,
            group=COUNTERS,
            key=observation.observation_point,
            meters={"traps": traps, "bytes": octets, "rejected": rejected, "dropped": dropped},
            source=NAME,
        )
        self._sink.put(METRIC, f"{COUNTERS}\0{sample.key}", sample, window)


def _interface(trap: Trap) -> str:
    """The ifIndex that a trap tells of, empty where it tells of none."""
    return next((value for name, value in trap.variables if name.startswith(f"{_INDEX}.") and value.isdecimal()), "")


def _variable(name: str) -> str:
    if name in _SCALARS:
        return _SCALARS[name]
    column, _, index = name.rpartition(".")
    return f"{_COLUMNS[column]}.{index}" if column in _COLUMNS else name
