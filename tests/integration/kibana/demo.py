"""The demo capture taken the whole way into Elasticsearch, so that every kind of document is there.

Two kinds have to be provoked: a dead letter by a broken message, a script in trouble by one that always raises. Sites
and directions come of the configuration, as docs/how-to/enrich-flows.md has it; tracks and tags of scripts that ship.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer
from elasticsearch import Elasticsearch

from capture.enrichment.settings import EnrichmentSettings
from capture.settings import CaptureSettings
from exporters.elasticsearch.connection import client
from exporters.elasticsearch.documents import EXPORTED
from exporters.elasticsearch.exporter import GROUP
from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.commands.backlog import backlog
from tapline.commands.capturing import capture
from tapline.configuration import Configuration
from tapline.demo import DEMO_CAPTURE
from tapline.process.supervisor import ourselves
from tests.docs.pages import ROOT
from tests.integration.pipeline.stack import end
from tests.waiting import wait_for
from topics.admin import create
from topics.catalog import FLOW
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings
from workers.stages import topics_of

SCRIPTS = (
    "samples/dyndns_alert.py",
    "samples/ssh_alerts.py",
    "samples/dynamic-dns.txt",
    "library/ip_version.py",
    "library/long_ssh.py",
    "library/subnet_tracker.py",
    "library/tcp_quality.py",
)
ENRICHMENT = EnrichmentSettings(
    sites={"10.20.0.0/24": "servers", "10.20.1.0/24": "clients", "198.51.100.0/24": "elsewhere"},
    local_networks=["10.0.0.0/8"],
)

_RAISING = """
from tapline import SessionMonitor, Flow


class Raising(SessionMonitor):
    def on_flush(self, flow: Flow) -> None:
        raise ValueError("always")
"""


class Demo:
    """Elasticsearch with the demo's documents in data streams of their own."""

    def __init__(self, address: str, namespace: str) -> None:
        self.namespace = namespace
        self.client: Elasticsearch = client(ElasticsearchSettings(hosts=[address]))

    def ask(self, indices: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a search; indices that are not there hold nothing."""
        found = self.client.search(index=indices, ignore_unavailable=True, allow_no_indices=True, **_arguments(body))
        return dict(found.body)


@contextmanager
def demonstrated(kafka: str, elasticsearch: str, folder: Path) -> Iterator[Demo]:
    """Workers, the exporter and the capture, until all is in Elasticsearch and can be searched."""
    name = f"t{uuid.uuid4().hex[:12]}"
    configuration = _configuration(name, kafka, elasticsearch, folder)
    create(configuration.kafka)
    file = folder / "tapline.yaml"
    file.write_bytes(msgspec.json.encode(configuration))
    with ExitStack() as stack:
        for command in (("worker", "--processes", "1"), ("export", "elasticsearch")):
            log = stack.enter_context((folder / f"{command[0]}.log").open("wb"))
            process = subprocess.Popen(
                [*ourselves("--config", str(file)), *command], stdout=log, stderr=subprocess.STDOUT, process_group=0
            )
            stack.callback(end, process)
        producer = Producer(configuration.kafka.client())
        producer.produce(FLOW.name(configuration.kafka.prefix), b"broken")
        assert producer.flush(30) == 0
        (summary,) = capture(configuration, [str(DEMO_CAPTURE)], depth="deep", engine="tshark")
        assert not summary.problem
        # Twice, since what workers publish for workers may go from a topic not yet looked at to one looked at before.
        wait_for(
            lambda: _waiting(configuration) == _waiting(configuration) == 0,
            "all to be in Elasticsearch",
            seconds=240,
            every=0.5,
        )
    demo = Demo(elasticsearch, name)
    try:
        demo.client.indices.refresh(index=f"*-{name}")
        yield demo
    finally:
        demo.client.close()


def _configuration(name: str, kafka: str, elasticsearch: str, folder: Path) -> Configuration:
    scripts = folder / "scripts"
    scripts.mkdir()
    for each in SCRIPTS:
        (scripts / Path(each).name).symlink_to(ROOT / "scripts" / each)
    (scripts / "raising.py").write_text(_RAISING, encoding="utf-8")
    return Configuration(
        kafka=KafkaSettings(bootstrap=kafka, prefix=name, partitions=2),
        capture=CaptureSettings(enrichment=ENRICHMENT),
        elasticsearch=ElasticsearchSettings(hosts=[elasticsearch], namespace=name, metrics_port=-1, flush_seconds=0.2),
        workers=WorkersSettings(
            group=name,
            scripts=[str(scripts), str(ROOT / "scripts" / "checks")],
            agents=[],
            policy=[],
            metrics_port=-1,
            # However busy the machine is, no script is slow here.
            hook_seconds=600.0,
            load_seconds=600.0,
            script_window_seconds=600.0,
            scripts_window_seconds=600.0,
            node_timeout=600.0,
        ),
    )


def _waiting(configuration: Configuration) -> int:
    kafka = configuration.kafka
    workers = backlog(kafka, configuration.workers.group, topics_of(()))
    exporter = backlog(kafka, f"{kafka.prefix}-{GROUP}", EXPORTED)
    return sum(one.waiting for one in (*workers, *exporter))


def _arguments(body: dict[str, Any]) -> dict[str, Any]:
    """A search's body as the arguments of the client, which has a name of its own for one of them."""
    return {"source" if name == "_source" else name: value for name, value in body.items()}
