"""Who is told of what."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from exporters.recipients.memory import MOST_EPISODES, MOST_IDS, Told
from exporters.recipients.notification import Notification
from exporters.recipients.routing import Routes
from exporters.recipients.settings import Slack, When
from tapline.policy.effective import PolicyView
from tapline.policy.model import Policy, Pool
from tests.unit.exporters.samples import alert
from topics.errors import TaplineError


def told(event: str = "raised", number: int = 1, **changes: Any) -> Notification:
    changed = msgspec.structs.replace(alert(number, event), **changes)  # type: ignore[arg-type]
    return Notification(changed.id, event, changed)  # type: ignore[arg-type]


def routes(*when: When, zone: str = "UTC") -> Routes:
    pools = {"servers": Pool(members=("192.0.2.0/24",)), "printers": Pool(members=("printer-*",))}
    policy = PolicyView(Policy(pools=pools))
    return Routes(Slack(name="x", url="env:X", when=list(when), time_zone=zone), policy.pools_of)


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        (When(), True),
        (When(alerts=["dns_*", "short-*"]), True),
        (When(alerts=["dns_*"]), False),
        (When(severity=5), True),
        (When(severity=6), False),
        (When(events=["raised", "released"]), True),
        (When(events=["stored"]), False),
        (When(entities=["192.0.2.10"]), True),
        (When(entities=["192.0.2.0/28"]), True),
        (When(entities=["2001:db8::/32", "192.0.3.0/24"]), False),
        (When(entities=["192.0.2.1?"]), True),
        (When(pools=["servers"]), True),
        (When(pools=["printers"]), False),
        (When(alerts=["short-ssh"], severity=6), False),
    ],
)
def test_all_that_is_given_has_to_fit(when: When, fits: Any) -> None:
    assert bool(routes(when).fitting(told())) is fits


def test_one_of_several_is_enough() -> None:
    assert routes(When(severity=8), When(alerts=["short-ssh"])).fitting(told()) == {1}


def test_a_flow_is_about_its_two_ends() -> None:
    flow = told(entity="f" * 32, entity_kind="flow", source_ip="10.0.0.7", destination_ip="198.51.100.9")
    for entity, fits in (("10.0.0.0/8", True), ("198.51.100.9", True), ("192.0.2.0/24", False)):
        assert bool(routes(When(entities=[entity])).fitting(flow)) is fits


@pytest.mark.parametrize(
    ("local", "hours", "days", "fits"),
    [
        ("2026-07-06 08:00", "08:00-18:00", [], True),
        ("2026-07-06 18:00", "08:00-18:00", [], False),
        ("2026-07-06 23:30", "22:00-06:00", [], True),
        ("2026-07-06 05:59", "22:00-06:00", [], True),
        ("2026-07-06 06:00", "22:00-06:00", [], False),
        ("2026-07-06 12:00", "", ["monday"], True),
        ("2026-07-06 12:00", "", ["saturday", "sunday"], False),
        ("2026-01-05 08:30", "08:00-09:00", ["monday"], True),
    ],
)
def test_hours_are_those_of_the_recipient(local: str, hours: str, days: Any, fits: Any) -> None:
    zone = ZoneInfo("Europe/Berlin")
    began = int(datetime.fromisoformat(local).replace(tzinfo=zone).timestamp() * 1_000_000)
    found = routes(When(hours=hours, days=days), zone="Europe/Berlin").fitting(told(began=began))
    assert bool(found) is fits


@pytest.mark.parametrize(
    ("when", "zone", "message"),
    [
        (When(entities=["192.0.2.300/24"]), "UTC", "is no network"),
        (When(hours="08:00-25:00"), "UTC", "write them as 08:00-18:00"),
        (When(hours="08:00-08:00"), "UTC", "leave them out for all day"),
        (When(), "Mars/Olympus", "there is no time zone"),
    ],
)
def test_what_cannot_be_used_is_told(when: When, zone: str, message: str) -> None:
    with pytest.raises(TaplineError, match=message):
        routes(when, zone=zone)


def test_who_was_told_of_the_beginning_is_told_of_the_end() -> None:
    memory = Told(routes(When(severity=5, events=["raised", "released", "acknowledged"])))
    assert not memory.wants(told("released", severity=2)), "nobody was told of its beginning"
    assert not memory.wants(told("acknowledged", severity=2))
    assert memory.wants(told("raised", severity=5))
    assert not memory.wants(told("changed", severity=2)), "changes are not wanted"
    assert memory.wants(told("acknowledged", severity=2))
    assert memory.wants(told("released", 2, severity=2))
    memory.add(told("released", 2, severity=2))
    assert alert(2).id in memory
    assert not memory.wants(told("released", 3, severity=2)), "it is over"


def test_what_began_severe_enough_later_is_told_then() -> None:
    memory = Told(routes(When(severity=5)))
    assert not memory.wants(told("raised", severity=3))
    assert memory.wants(told("changed", severity=6))
    assert memory.wants(told("released", severity=3))


def test_memory_is_bounded() -> None:
    memory = Told(routes(When()))
    for number in range(MOST_IDS + 10):
        memory.add(told("stored", number))
    assert alert(9).id not in memory
    assert alert(10).id in memory
    for number in range(MOST_EPISODES + 1):
        memory.add(told("raised", episode=str(number)))
    assert memory.alert_of("0") is None
    assert memory.alert_of("1") is not None
