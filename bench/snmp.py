"""What asking a device costs: CPU time of one poll of its interfaces, beside pysnmp reading the same columns.

A real snmpd on the loopback answers; the CPU of the asking process alone is counted, user and system.

    python -m bench.snmp
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from pysnmp.hlapi.v1arch.asyncio import (
    CommunityData,
    ObjectIdentity,
    ObjectType,
    SnmpDispatcher,
    UdpTransportTarget,
    bulk_cmd,
)

from capture.snmp.asking import Asking
from capture.snmp.credentials import Credentials
from capture.snmp.reading import NARROW, WIDE, read_device
from capture.snmp.settings import SnmpDevice
from tests.golden.scripts.agent import agent

ROUNDS = 30
COLUMNS = (
    *(f"1.3.6.1.2.1.2.2.1.{column}" for column in (2, 5, 7, 8)),
    *(f"1.3.6.1.2.1.31.1.1.1.{column}" for column in (1, 15, 18, 19)),
    *NARROW.values(),
    *(name for names in WIDE.values() for name in names),
)


async def ours(port: int) -> int:
    """Polls as the source makes them; how many interfaces there are."""
    credentials = Credentials(SnmpDevice(address="127.0.0.1", port=port, community="env:BENCH_COMMUNITY"), "bench")
    interfaces = 0
    for _ in range(ROUNDS):
        interfaces = len((await read_device(Asking(credentials.session(5), 1, bulk=True))).interfaces)
    return interfaces


async def theirs(port: int) -> None:
    """The same columns by pysnmp."""
    target = await UdpTransportTarget.create(("127.0.0.1", port))
    with SnmpDispatcher() as dispatcher:
        for _ in range(ROUNDS):
            for column in COLUMNS:
                name = ObjectType(ObjectIdentity(column))
                problem, _, _, rows = await bulk_cmd(dispatcher, CommunityData("tests"), target, 0, 25, name)
                assert not problem
                assert rows


def main() -> None:
    """Print both and their ratio."""
    os.environ["BENCH_COMMUNITY"] = "tests"
    with tempfile.TemporaryDirectory() as folder, agent(Path(folder)) as snmpd:
        began = time.process_time()
        interfaces = asyncio.run(ours(snmpd.port))
        between = time.process_time()
        asyncio.run(theirs(snmpd.port))
        ended = time.process_time()
    mine, other = (1000 * spent / ROUNDS for spent in (between - began, ended - between))
    print(f"{interfaces} interfaces, {len(COLUMNS)} columns, CPU time of one poll")
    print(f"tapline {mine:.2f} ms, pysnmp {other:.2f} ms: {mine / other:.3f} of it")


if __name__ == "__main__":
    main()
