"""All samples at once over the demo capture: through Kafka and two workers they do what they do in one process."""

from __future__ import annotations

import re
import signal
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from capture.settings import CaptureSettings
from tapline.commands.backlog import backlog
from tapline.commands.capturing import capture
from tapline.configuration import Configuration
from tapline.testing import Result, run
from tests.golden.scripts.agent import free_port
from tests.golden.scripts.samples import DEMO, FEATURED, needs_tshark, sample
from tests.golden.scripts.stub import elasticsearch
from tests.integration.workers.cluster import Workers, make_topics, read_topic
from tests.waiting import wait_for
from topics.catalog import ALERT, ANNOTATION, COUNTER, DEAD, DOCUMENT, RESOURCE, TRACK, Topic
from topics.records import Metric, Record
from topics.settings import KafkaSettings
from workers.counting.groups import GROUPS
from workers.settings import WorkersSettings
from workers.stages import topics_of

pytestmark = needs_tshark

PARTITIONS = 2
BUILT_IN = {group.name for group in GROUPS}
IDS = """
from tapline import SessionMonitor
class Ids(SessionMonitor):
    l7_proto = "SNMP"
    def on_terminate(self, flow):
        self.alert("ids", flow, "SNMP seen", group="External IDS")
        self.tag(flow, "managed")
"""


def parameters(folder: Path, server: str, port: int) -> dict[str, dict[str, Any]]:
    folder.mkdir()
    there = {"folder": str(folder)}
    nobody = {"responder": "http://127.0.0.1:1/"}
    sending = {"url": server}
    return {
        "es_curl_flow": sending | {"index": "one"},
        "es_socket_flow": sending | {"index": "other"},
        "sg2": there,
        "sg3": there,
        "sha256_x509": there,
        "ocsp_check": nobody,
        "ocsp_check_async": nobody,
        "snmp": {"port": port, "timeout": 0.05},
    }


def plain(records: list[Any]) -> dict[str, bytes]:
    """Records by id, whole; each is there once or always the same."""
    found: dict[str, bytes] = {}
    for record in records:
        body = msgspec.json.encode(record)
        assert found.setdefault(record.id, body) == body
    return found


def in_kafka(kafka: KafkaSettings, topic: Topic) -> list[Any]:
    """What the workers have published to a topic."""
    records: list[Record] = []
    for envelope, some in read_topic(kafka, topic):
        if not envelope.is_snapshot and envelope.node.startswith("~"):
            records += some
    return records


def made_by_scripts(counters: list[Metric]) -> list[Metric]:
    return [counter for counter in counters if counter.group not in BUILT_IN]


def lines(folder: Path) -> dict[str, set[str]]:
    """The lines of the files that scripts have written, without their numbers.

    A window that another worker takes over in its middle is begun again, and written again.
    """
    return {
        path.name: {re.sub(r"^ *\d+ +", "", line) for line in path.read_text().splitlines()}
        for path in folder.iterdir()
    }


def in_memory(scripts: list[Path], params: dict[str, dict[str, Any]]) -> Result:
    flat = {f"{script}.{name}": value for script, values in params.items() for name, value in values.items()}
    return run(scripts, DEMO, params=flat, partitions=PARTITIONS, depth="deep")


def test_workers_make_of_it_what_a_try_makes_of_it(kafka: str, tmp_path: Path) -> None:
    enabled = tmp_path / "enabled"
    enabled.mkdir()
    (enabled / "ids.py").write_text(IDS, encoding="utf-8")
    for name in FEATURED:
        (enabled / f"{name}.py").symlink_to(sample(name))
    scripts = sorted(enabled.iterdir())
    port = free_port()
    settings = KafkaSettings(bootstrap=kafka, prefix=f"t{uuid.uuid4().hex[:12]}", partitions=PARTITIONS)
    with elasticsearch() as server:
        tried, worked = tmp_path / "tried", tmp_path / "worked"
        told = in_memory(scripts, parameters(tried, server, port))
        assert not told.errors
        assert not told.unusable
        make_topics(settings)
        workers = Workers(
            settings,
            WorkersSettings(
                group=settings.prefix,
                scripts=[str(enabled)],
                params=parameters(worked, server, port),
                metrics_port=-1,
            ),
            tmp_path,
        )
        configuration = Configuration(kafka=settings, capture=CaptureSettings(node="test", engine="tshark"))
        try:
            workers.start()
            workers.start()
            capture(configuration, [str(DEMO)], depth="deep")
            wait_for(
                lambda: sum(each.waiting for each in backlog(settings, settings.prefix, topics_of(()))) == 0,
                "the workers to commit everything",
                seconds=120,
                every=0.5,
            )
            for process in list(workers.processes):
                workers.end(process, signal.SIGTERM)
        finally:
            workers.stop()
    assert not in_kafka(settings, DEAD)
    for topic, made in (
        (ALERT, told.alerts),
        (RESOURCE, told.resources),
        (DOCUMENT, told.documents),
        (ANNOTATION, told.annotations),
        (TRACK, told.tracks),
        (COUNTER, made_by_scripts(told.counters)),
    ):
        found = in_kafka(settings, topic)
        assert plain(made_by_scripts(found) if topic is COUNTER else found) == plain(made), topic.kind
    assert Counter(alert.type for alert in told.alerts) == {
        "short-ssh": 12,
        "dyndns": 7,
        "ids": 3,
        "snmp-silent": 1,
        "ocsp": 3,
    }
    assert len(told.resources) == 9
    assert sum(counter.meters["flows"] for counter in told.counters) == 2 * 1003
    assert lines(worked) == lines(tried)
