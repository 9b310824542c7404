"""What is asked of devices is what the checks of SNMP devices look at."""

from __future__ import annotations

from pathlib import Path

from capture.snmp.growth import History
from capture.snmp.reading import DeviceReading, Interface, Reading
from capture.snmp.samples import Samples
from capture.source import observe_live, window_of
from tapline.testing import run
from tests.unit.capture.sinks import KeepingSink

CHECKS = Path(__file__).parents[3] / "scripts" / "checks" / "snmp_devices.py"
FIRST = 1_700_000_040


def interface(octets: int, packets: int, errors: int, state: int) -> Interface:
    readings = {meter: (Reading(value, 64),) for meter, value in (("in_bytes", octets), ("in_packets", packets))}
    return Interface(
        name="Gi0/1",
        alias="",
        speed=1_000_000,
        admin_status=1,
        oper_status=state,
        discontinuity=0,
        readings=readings | {"in_errors": (Reading(errors, 32),)},
    )


def reading(minute: int, uptime: int, shown: Interface) -> DeviceReading:
    return DeviceReading(name="core", at=60.0 * minute, ticks=uptime * 100, uptime=uptime, interfaces={1: shown})


def test_the_checks_of_devices_fire_on_what_devices_say() -> None:
    sink = KeepingSink()
    samples, history = Samples(observe_live("node", "snmp", 0), sink), History()
    told: list[DeviceReading | None] = [
        reading(0, 1000, interface(0, 1000, 0, 1)),
        # 7,200,000 bytes in a minute are 96 % of 1 Mbit/s; 100 packets in a thousand had errors.
        reading(1, 1060, interface(7_200_000, 1900, 100, 1)),
        reading(2, 1120, interface(7_200_000, 1900, 100, 2)),
        None,
        # It has restarted: that its counters begin anew is no traffic.
        reading(4, 30, interface(900, 9, 0, 2)),
        reading(5, 90, interface(900, 9, 0, 2)),
    ]
    for minute, said in enumerate(told):
        time = (FIRST + 60 * minute + 30) * 1_000_000
        if said is None:
            samples.failure("192.0.2.1", time, window_of(time))
        else:
            now, grown, _ = history.take(said)
            samples.reading("192.0.2.1", now, grown, time, window_of(time))
    result = run(CHECKS, records=sink.samples)
    assert not result.errors
    asserted = {
        (alert.type, alert.granularity, alert.entity, (alert.time // 1_000_000 - FIRST) // 60)
        for alert in result.alerts
        if alert.action != "release"
    }
    assert asserted == {
        ("snmp_interface_load", "min", "192.0.2.1:1", 2),
        ("snmp_interface_errors", "min", "192.0.2.1:1", 2),
        ("snmp_interface_errors", "five_minutes", "192.0.2.1:1", 6),
        ("status_change", "", "192.0.2.1:1", 3),
        ("snmp_device_silent", "min", "192.0.2.1", 4),
        ("snmp_device_restarted", "", "192.0.2.1", 5),
    }
