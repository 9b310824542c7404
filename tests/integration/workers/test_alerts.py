"""A worker that is killed in every state of an alert tells the same as one that is not."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workers.cluster import Workers, make_topics, publish, read_topic
from tests.unit.workers.alerts.log import FIRST_WINDOW, Log, alert, once
from tests.waiting import wait_for
from topics.alert_log import read_conditions, read_notifications, write_releases
from topics.catalog import ALERT, COUNTER, NOTIFICATION
from topics.records import Alert
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

PRODUCER = "~made/0"
STEPS = (
    ("trigger", {"instance": "a"}, "raised"),
    ("trigger", {"instance": "b"}, ""),
    ("trigger", {"instance": "a", "severity": 7}, "changed"),
    ("release", {"instance": "a"}, ""),
    ("release", {"instance": "b"}, "released"),
    ("store", {"id": "one"}, "stored"),
    ("store", {"id": "one"}, ""),
    ("trigger", {"instance": "a"}, "raised"),
    ("release", {"instance": "a"}, "released"),
)


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka, prefix=f"alerts-{time.time_ns()}", partitions=1)
    make_topics(settings)
    return settings


@pytest.fixture
def workers(settings: KafkaSettings, tmp_path: Path) -> Iterator[Workers]:
    (tmp_path / "scripts").mkdir()
    workers = Workers(
        settings,
        WorkersSettings(scripts=[str(tmp_path / "scripts")], policy=[], stall_timeout=30.0, group=settings.prefix),
        tmp_path,
    )
    try:
        yield workers
    finally:
        workers.stop()


def steps() -> list[list[Alert]]:
    return [
        [alert(FIRST_WINDOW + 60 * number + 1, action, **fields)] for number, (action, fields, _) in enumerate(STEPS)
    ]


def told(settings: KafkaSettings) -> list[str]:
    return [each.event for each in read_notifications(settings)]


def received(settings: KafkaSettings) -> int:
    """How many alerts windows that have ended say that the engine has received."""
    found = {
        record.id: record.meters["received"]
        for envelope, records in read_topic(settings, COUNTER)
        if not envelope.is_snapshot
        for record in records
        if record.group == "Alerts"
    }
    return int(sum(found.values()))


@pytest.mark.kill
@pytest.mark.parametrize("ended", [True, False], ids=["after its window", "in the middle of its window"])
def test_a_kill_in_every_state_of_an_alert(settings: KafkaSettings, workers: Workers, *, ended: bool) -> None:
    log = Log()
    workers.start()
    expected: list[str] = []
    for number, alerts in enumerate(steps()):
        window = FIRST_WINDOW + 60 * number
        before = len(log.messages)
        log.put(PRODUCER, window, *alerts)
        if ended:
            log.mark(PRODUCER, window)
        publish(settings, [(ALERT, 0, *message) for message in log.messages[before:]])
        if STEPS[number][2]:
            expected.append(STEPS[number][2])
        wait_for(lambda: told(settings) == expected, f"step {number} to be told", seconds=90, every=0.3)
        workers.end(workers.processes[0], signal.SIGKILL)
        workers.start()
        if not ended:
            log.mark(PRODUCER, window)
            publish(settings, [(ALERT, 0, *log.messages[-1])])
    wait_for(lambda: received(settings) == len(STEPS), "every window to end", seconds=120, every=0.5)
    whole = once(log.messages)
    ids = {record.id for envelope, records in read_topic(settings, NOTIFICATION) for record in records}
    assert ids == set(whole.notifications()), "nothing is told as something new, nothing is lost"
    assert told(settings) == expected
    (condition,) = read_conditions(settings).values()
    assert (condition.status, condition.holders) == ("released", {}), "nothing is stuck"


def test_a_person_releases_what_is_engaged(settings: KafkaSettings, workers: Workers) -> None:
    log = Log()
    log.put(PRODUCER, FIRST_WINDOW, alert(FIRST_WINDOW, instance="a"), alert(FIRST_WINDOW, instance="b"))
    workers.start()
    publish(settings, [(ALERT, 0, *message) for message in log.messages])
    wait_for(lambda: told(settings) == ["raised"], "it to be told", seconds=60, every=0.3)
    (condition,) = read_conditions(settings).values()
    assert condition.status == "engaged"
    write_releases(settings, [condition.alert], "ada", "unplugged")
    wait_for(lambda: told(settings) == ["raised", "released"], "the release to be told", seconds=60, every=0.3)
    released = read_notifications(settings)[-1]
    assert (released.attributes["ended"], released.attributes["comment"]) == ("released by ada", "unplugged")
