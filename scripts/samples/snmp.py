"""Read the octet counters of a device's interfaces by SNMP, once a window.

An engine monitor runs in one place over all workers, so the device is asked once. It is asked off the
stream, by a thread; the readings come back to :meth:`PollInterfaces.take` and are counted in the group
that ``snmp_cg`` defines, which makes rates of them. What is read is as of now: over a capture file,
whose minutes pass in no time, the rates mean little.

The original's keys are ``if-<number>``; here the agent stands before the number, as its own group says,
so that a second agent does no harm. An interface the device does not have is left out, and a device
that does not answer is alerted on once; the original falls over either.
"""

import asyncio
from typing import NamedTuple

from pysnmp.hlapi.v1arch.asyncio import (
    CommunityData,
    ObjectIdentity,
    ObjectType,
    SnmpDispatcher,
    Udp6TransportTarget,
    UdpTransportTarget,
    get_cmd,
)
from pysnmp.proto.rfc1902 import Counter64

from scripts.samples.snmp_cg import SNMP_INTERFACE
from tapline import EngineMonitor, Params

IN_OCTETS = "1.3.6.1.2.1.31.1.1.1.6"
OUT_OCTETS = "1.3.6.1.2.1.31.1.1.1.10"
NAME = "1.3.6.1.2.1.31.1.1.1.1"
ALIAS = "1.3.6.1.2.1.31.1.1.1.18"
COLUMNS = (IN_OCTETS, OUT_OCTETS, NAME, ALIAS)
"""Columns of ifXTable in IF-MIB (RFC 2863)."""


class Reading(NamedTuple):
    """What an agent said of one interface."""

    interface: int
    received: int
    sent: int
    name: str
    alias: str


class PollInterfaces(EngineMonitor):
    """Feeds the readings of one agent."""

    name = "snmp"

    class params(Params):
        """Whom to ask with which ``community`` (SNMP v2c) about which ``interfaces``, by ifIndex.

        A question is sent twice at most, each time ``timeout`` seconds are waited for the answer.
        """

        agent: str = "127.0.0.1"
        port: int = 161
        community: str = "public"
        interfaces: tuple[int, ...] = (1, 2, 3, 4, 23, 24, 625)
        timeout: float = 2.0

    def on_begin_flush(self, window: int) -> None:
        """Have the agent asked."""
        asked = self.params
        self.run_async(poll, asked.agent, asked.port, asked.community, asked.interfaces, asked.timeout, then=self.take)

    def take(self, readings: list[Reading] | str) -> None:
        """Feed the readings; a text says why there are none.

        What was said before is kept in the store, so that another worker that takes over knows it too.
        """
        if isinstance(readings, str):
            if not self.store.get("silent"):
                self.alert("snmp-silent", None, readings, group="System", severity=5)
            self.store["silent"] = True
            return
        self.store["silent"] = False
        for reading in readings:
            key = f"{self.params.agent}:{reading.interface}"
            self.log.debug("%s received %d sent %d", key, reading.received, reading.sent)
            total = reading.received + reading.sent
            self.count(SNMP_INTERFACE, key, total=total, received=reading.received, sent=reading.sent)
            if self.store.get(key) != [reading.name, reading.alias]:
                self.label(SNMP_INTERFACE, key, f"{self.params.agent} {reading.name}", reading.alias)
                self.store[key] = [reading.name, reading.alias]


def poll(agent: str, port: int, community: str, interfaces: tuple[int, ...], timeout: float) -> list[Reading] | str:
    """The readings of the interfaces that there are, or why there are none."""
    return asyncio.run(_poll(agent, port, community, interfaces, timeout))


async def _poll(
    agent: str,
    port: int,
    community: str,
    interfaces: tuple[int, ...],
    timeout: float,  # noqa: ASYNC109 - it is the library that waits
) -> list[Reading] | str:
    readings = []
    transport = Udp6TransportTarget if ":" in agent else UdpTransportTarget
    target = await transport.create((agent, port), timeout=timeout, retries=1)
    with SnmpDispatcher() as dispatcher:
        for interface in interfaces:
            columns = [ObjectType(ObjectIdentity(f"{column}.{interface}")) for column in COLUMNS]
            problem, status, _, answers = await get_cmd(dispatcher, CommunityData(community), target, *columns)
            if problem or status:
                return f"{agent} does not answer: {problem or status.prettyPrint()}"
            received, sent, name, alias = [value for _, value in answers]
            if isinstance(received, Counter64) and isinstance(sent, Counter64):
                readings.append(Reading(interface, int(received), int(sent), str(name), str(alias)))
    return readings
