"""What taking a trap costs: CPU time from a datagram to an alert, beside pysnmp's engine from one to its variables.

Traps of versions 2c (seven variables) and 3 (one, signed with SHA-256 and encrypted with AES), as Net-SNMP writes them.

    python -m bench.snmp_traps
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pysnmp.carrier.asyncio.dgram.udp import DOMAIN_NAME, UdpAsyncioTransport
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413.ntfrcv import NotificationReceiver
from pysnmp.proto.api.v2c import OctetString

from bench.fuzz_inputs import TRAPS
from bench.fuzz_targets import Sink
from capture.snmp.credentials import Passwords
from capture.snmp.settings import SnmpUser
from capture.snmptrap.engine import Engine
from capture.snmptrap.intake import Intake
from capture.snmptrap.users import Users
from capture.source import observe_live

MEASURED: Final = {"v2c": TRAPS[2], "v3": TRAPS[5]}
ROUNDS: Final = 2000
PASSWORDS: Final = ("authentication", "encryption")


def microseconds(take: Callable[[], Any]) -> float:
    """CPU time of one call."""
    take()
    began = time.process_time()
    for _ in range(ROUNDS):
        take()
    return (time.process_time() - began) * 1e6 / ROUNDS


def ours() -> dict[str, float]:
    """From datagrams to alerts, as the source does."""
    sink = Sink()
    user = SnmpUser(user="alice", authentication="sha256", privacy="aes128")
    users = Users({"alice": (user, Passwords(*PASSWORDS))}, Engine(Path("never-started")))
    intake = Intake(observe_live("bench", "snmptrap:udp://127.0.0.1:162", 1), "", users.open, 60, sink)
    spent = {
        version: microseconds(lambda trap=trap: intake.take(trap, "192.0.2.1"))  # type: ignore[misc]
        for version, trap in MEASURED.items()
    }
    assert sink.records["alert"] == len(MEASURED) * (ROUNDS + 1)
    return spent


async def theirs() -> dict[str, float]:
    """From datagrams to what a notification receiver is called with."""
    engine = SnmpEngine()
    config.add_v3_user(
        engine,
        "alice",
        config.USM_AUTH_HMAC192_SHA256,
        PASSWORDS[0],
        config.USM_PRIV_CFB128_AES,
        PASSWORDS[1],
        securityEngineId=OctetString(hexValue="80000000010203040a"),
    )
    config.add_v1_system(engine, "public", "public")
    config.add_transport(engine, DOMAIN_NAME, UdpAsyncioTransport().open_server_mode(("127.0.0.1", 0)))
    taken: list[object] = []
    NotificationReceiver(engine, lambda *told: taken.append(told[4]))
    receive = engine.message_dispatcher.receive_message
    spent = {
        version: microseconds(lambda trap=trap: receive(engine, DOMAIN_NAME, ("127.0.0.1", 5), trap))  # type: ignore[misc]
        for version, trap in MEASURED.items()
    }
    assert len(taken) == len(MEASURED) * (ROUNDS + 1)
    engine.close_dispatcher()
    return spent


def main() -> None:
    """Print both and their ratio."""
    mine, other = ours(), asyncio.run(theirs())
    for version in MEASURED:
        ratio = other[version] / mine[version]
        print(f"{version:<4} tapline {mine[version]:.0f} us, pysnmp {other[version]:.0f} us: {ratio:.1f} times as much")


if __name__ == "__main__":
    main()
