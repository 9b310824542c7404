"""The commands of the chart's pods, with the chart's configuration, over a real Kafka and Elasticsearch."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError

from tapline.services.elasticsearch import Elasticsearch
from tapline.services.kafka import Kafka
from tests.helm.chart import manifests
from tests.helm.pods import Pod
from tests.integration.engines import engine_folder, engine_settings, running
from tests.namespaces import needs_networks, own_network
from tests.waiting import wait_for

GREETING = """
from tapline import SessionMonitor


class Greeting(SessionMonitor):
    def on_new_flow(self, flow):
        pass
"""


LINE = b"<34>1 2026-11-29T02:30:00Z router.example su - ID47 - 'su root' failed"


def documents(url: str) -> int:
    """How many documents of lines Elasticsearch has."""
    try:
        with urllib.request.urlopen(f"{url}/logs-tapline.document-*/_count", timeout=10) as answer:
            return int(json.load(answer)["count"])
    except HTTPError as error:
        error.close()
        # An index that was just made does not answer yet.
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return 0


@needs_networks
def test_pods_set_up_run_take_changed_scripts_and_end(tmp_path: Path) -> None:
    # In a network of its own the chart's ports are free.
    with ExitStack() as stack:
        stack.enter_context(own_network())
        engines = engine_settings(stack.enter_context(engine_folder()))
        kafka = stack.enter_context(running(Kafka(engines)))
        elasticsearch = stack.enter_context(running(Elasticsearch(engines)))
        values = {
            "kafka": {"bootstrap": kafka.address, "partitions": 2, "replication": 1},
            "elasticsearch": {"hosts": [elasticsearch.address]},
            "workers": {"replicas": 1},
            "exporters": {"elasticsearch": {"replicas": 1}, "files": {"enabled": True}},
            "captures": {"syslog": {"sources": ["syslog:udp://127.0.0.1:5514"]}},
        }
        found = manifests(values)
        Pod(found, "Job", "tapline-setup", tmp_path).complete()
        workers = Pod(found, "Deployment", "tapline-workers", tmp_path)
        pods = [
            workers,
            Pod(found, "Deployment", "tapline-exporter-elasticsearch", tmp_path),
            Pod(found, "StatefulSet", "tapline-exporter-files", tmp_path),
            Pod(found, "StatefulSet", "tapline-capture-syslog", tmp_path),
        ]
        for pod in pods:
            stack.enter_context(pod.running())
        for pod in pods:
            wait_for(lambda pod=pod: pod.passes("readinessProbe"), f"{pod.name} to be ready", seconds=120, every=0.2)
            assert pod.passes("livenessProbe"), pod.name
        for job in ("tapline-test-topics", "tapline-test-ready"):
            Pod(found, "Job", job, tmp_path).complete()

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(LINE, ("127.0.0.1", 5514))
        wait_for(lambda: documents(elasticsearch.address) == 1, "the line in Elasticsearch", seconds=60, every=0.2)

        changed = manifests({**values, "scripts": {"files": {"greeting.py": GREETING}}})
        workers.change(changed, "tapline-scripts")
        wait_for(lambda: "greeting.py: Greeting" in workers.said(), "the script to be loaded", seconds=60)
        workers.change(found, "tapline-scripts")
        wait_for(lambda: re.search(r"unloaded \S*greeting\.py", workers.said()), "the script to be gone", seconds=60)
