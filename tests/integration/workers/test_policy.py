"""The policy as it is set while workers run."""

import time
from pathlib import Path

import pytest

from tests.integration.workers.cluster import Workers, make_topics
from tests.waiting import wait_for
from topics.policy_log import read_entries, write_entries
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=kafka, prefix=f"policy-{time.time_ns()}")
    make_topics(settings)
    return settings


def test_what_is_set_reaches_every_worker_while_it_runs(settings: KafkaSettings, tmp_path: Path) -> None:
    write_entries(settings, [("rules/before", '{"value": 1}')], "somebody", "why")
    workers = Workers(settings, WorkersSettings(scripts=[], policy=[], group=settings.prefix), tmp_path)
    try:
        workers.start()
        workers.start()
        wait_for(lambda: logged(workers, "rules/before") == 2, "both to know what was set before", seconds=60)
        write_entries(settings, [("rules/after", '{"value": 2}'), ("rules/before", "")], "somebody")
        wait_for(lambda: logged(workers, "rules/after") == 2, "both to hear of a change", seconds=30)
    finally:
        workers.stop()
    assert set(read_entries(settings)) == {"rules/after"}


def logged(workers: Workers, key: str) -> int:
    return sum(f"policy entry {key}" in log.read_text() for log in workers.folder.glob("worker-*.log"))
