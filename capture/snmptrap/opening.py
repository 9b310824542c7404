"""From ``snmptrap:udp://HOST:PORT`` to an observation and its source."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from capture.network.addresses import Address
from capture.settings import CaptureSettings
from capture.snmp.credentials import Passwords, passwords
from capture.snmp.settings import SnmpSettings, SnmpUser
from capture.snmptrap import SCHEME
from capture.snmptrap.engine import Engine
from capture.snmptrap.source import TrapListener
from capture.snmptrap.users import Users
from capture.source import Observation, Source, observe_live
from tapline.process.secrets import secret
from topics.errors import TaplineError
from topics.partitions import digest

_PORT: Final = 162
_HELP: Final = "write snmptrap:udp://HOST:PORT"


def open_snmptrap(source: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    """Where to listen for traps; :class:`TaplineError` when it is no address or the settings are wrong."""
    address = _address(source)
    snmp = settings.snmp
    community = secret(snmp.trap_community, "capture.snmp.trap_community") if snmp.trap_community else ""
    observation = observe_live(settings.node_name, f"snmptrap:{address}", time.time_ns() // 1000)
    engine = Engine(Path(snmp.engine_folder) / f"{digest('snmptrap', str(address))}.json")
    return observation, [TrapListener(observation, address, snmp, community, Users(_users(snmp), engine))]


def _address(source: str) -> Address:
    try:
        parts = urlsplit(source.removeprefix(SCHEME))
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise TaplineError(f"{source} is no address to listen on: {_HELP}") from error
    if parts.scheme != "udp" or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise TaplineError(f"{source} is no address to listen on: {_HELP}")
    return Address("udp", host, _PORT if port is None else port)


def _users(settings: SnmpSettings) -> dict[str, tuple[SnmpUser, Passwords]]:
    found: dict[str, tuple[SnmpUser, Passwords]] = {}
    for at, user in enumerate(settings.trap_users):
        key = f"capture.snmp.trap_users[{at}]"
        if user.user in found:
            raise TaplineError(f"{key} is {user.user} again: remove one of them")
        found[user.user] = (user, passwords(user, key))
    return found
