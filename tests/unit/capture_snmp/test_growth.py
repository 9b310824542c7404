"""Counters that wrap, are set back, and devices that restart."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.snmp.growth import History, growth
from capture.snmp.reading import DeviceReading, Interface, Reading

quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def interface(octets: int, *, bits: int = 64, discontinuity: int = 0, packets: tuple[int, ...] = ()) -> Interface:
    readings = {"in_bytes": (Reading(octets, bits),)}
    if packets:
        readings["in_packets"] = tuple(Reading(value, bits) for value in packets)
    return Interface(
        name="eth0",
        alias="",
        speed=0,
        admin_status=1,
        oper_status=1,
        discontinuity=discontinuity,
        readings=readings,
    )


def device(at: float, uptime: float, shown: Interface, *, engine: float = 0) -> DeviceReading:
    ticks = round(uptime * 100) % (1 << 32)
    return DeviceReading(name="d", at=at, ticks=ticks, uptime=max(ticks / 100, engine), interfaces={1: shown})


@quick
@given(st.sampled_from([32, 64]), st.data())
def test_a_counter_has_grown_by_what_it_grew(bits: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(0, (1 << bits) - 1))
    grown = data.draw(st.integers(0, (1 << (bits - 1)) - 1))
    after = (before + grown) % (1 << bits)
    assert growth(Reading(before, bits), Reading(after, bits)) == grown


def test_a_counter_that_was_set_back_has_not_grown() -> None:
    assert growth(Reading(1_000_000, 32), Reading(5, 32)) is None
    assert growth(Reading(1_000_000, 64), Reading(5, 64)) is None
    assert growth(Reading(5, 32), Reading(10, 64)) is None, "another counter altogether"


def test_what_grew_is_told_by_interface_with_the_time_it_took() -> None:
    history = History()
    _, grown, restarted = history.take(device(10, 500, interface(2**64 - 100, packets=(5, 6))))
    assert (grown, restarted) == ({}, False), "one reading is no growth"
    _, grown, restarted = history.take(device(70, 560, interface(200, packets=(15, 6))))
    assert not restarted
    assert grown[1].meters == {"in_bytes": 300, "in_packets": 10}
    assert grown[1].seconds == 60


def test_a_device_that_restarted_has_not_grown() -> None:
    history = History()
    history.take(device(0, 500, interface(1000)))
    _, grown, restarted = history.take(device(60, 20, interface(2000)))
    assert (grown, restarted) == ({}, True)
    _, grown, restarted = history.take(device(120, 80, interface(2500)))
    assert not restarted
    assert grown[1].meters == {"in_bytes": 500}


def test_a_restart_shows_even_where_the_uptime_is_more_than_before() -> None:
    history = History()
    history.take(device(0, 5, interface(1000)))
    _, _, restarted = history.take(device(60, 40, interface(2000)))
    assert restarted


def test_an_uptime_that_wraps_is_no_restart_and_goes_on() -> None:
    history = History()
    end = (1 << 32) / 100
    first, _, _ = history.take(device(0, end - 20, interface(1000)))
    for at in (60, 120):
        reading, grown, restarted = history.take(device(at, end - 20 + at, interface(1000 + at)))
        assert not restarted
        assert grown[1].meters == {"in_bytes": 60}
        assert reading.uptime > first.uptime
    _, _, restarted = history.take(device(180, 3, interface(1)))
    assert restarted


def test_a_device_with_a_clock_that_does_not_wrap_is_known_by_it() -> None:
    history = History()
    end = (1 << 32) / 100
    history.take(device(0, end - 20, interface(1000), engine=end - 20))
    reading, _, restarted = history.take(device(60, end + 40, interface(1060), engine=end + 40))
    assert not restarted
    assert reading.uptime == end + 40


def test_counters_that_began_anew_are_left_out_and_told() -> None:
    history = History()
    history.take(device(0, 500, interface(1000)))
    _, grown, _ = history.take(device(60, 560, interface(2000, discontinuity=55_000)))
    assert (grown[1].meters, grown[1].began_anew) == ({}, 1)
    _, grown, _ = history.take(device(120, 620, interface(7, discontinuity=55_000)))
    assert (grown[1].meters, grown[1].began_anew) == ({}, 1)


def test_an_interface_that_is_new_has_not_grown() -> None:
    history = History()
    history.take(device(0, 500, interface(1000)))
    second = device(60, 560, interface(1100))
    second.interfaces[2] = interface(99)
    _, grown, _ = history.take(second)
    assert grown.keys() == {1}
