"""From ``snmp:`` to an observation and its source."""

from __future__ import annotations

import time
from ipaddress import ip_address

from capture.settings import CaptureSettings
from capture.snmp import NAME, SCHEME
from capture.snmp.credentials import Credentials
from capture.snmp.source import SnmpPoller
from capture.source import Observation, Source, observe_live
from topics.errors import TaplineError


def open_snmp(source: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    """The devices of ``capture.snmp.devices``; :class:`TaplineError` when there are none or one cannot be asked."""
    if source != SCHEME:
        raise TaplineError(f"{source} names something behind snmp: - write snmp: and put devices into capture.snmp")
    devices = settings.snmp.devices
    if not devices:
        raise TaplineError("capture.snmp.devices is empty: write the devices to ask there")
    credentials = [Credentials(device, f"capture.snmp.devices[{at}]") for at, device in enumerate(devices)]
    first: dict[object, int] = {}
    for at, device in enumerate(devices):
        address = ip_address(device.address)
        if address in first:
            raise TaplineError(
                f"capture.snmp.devices[{at}] is {device.address}, as [{first[address]}] is: remove one of them"
            )
        first[address] = at
    observation = observe_live(settings.node_name, NAME, time.time_ns() // 1000)
    return observation, [SnmpPoller(observation, settings.snmp, list(zip(devices, credentials, strict=True)))]
