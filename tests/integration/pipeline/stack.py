"""The whole way with processes of its own: engines, workers and exporter as a user runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from exporters.elasticsearch.documents import EXPORTED
from exporters.elasticsearch.exporter import GROUP
from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.commands.backlog import backlog
from tapline.commands.holdings import Holdings
from tapline.configuration import Configuration
from tapline.process.supervisor import ourselves
from tapline.services.elasticsearch import Elasticsearch
from tapline.services.kafka import Kafka
from tests.waiting import wait_for
from topics.admin import create
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings
from workers.stages import topics_of


class Stack:
    """Engines that are up, and processes that work on topics and data streams of their own."""

    def __init__(self, kafka: Kafka, elasticsearch: Elasticsearch, folder: Path) -> None:
        self.kafka = kafka
        self.elasticsearch = elasticsearch
        self.folder = folder
        name = f"t{uuid.uuid4().hex[:12]}"
        self.namespace = name
        self.configuration = Configuration(
            kafka=KafkaSettings(bootstrap=kafka.address, prefix=name),
            elasticsearch=ElasticsearchSettings(hosts=[elasticsearch.address], namespace=name, metrics_port=-1),
            workers=WorkersSettings(group=name, scripts=[], metrics_port=-1),
        )
        self._file = folder / "tapline.yaml"

    def prepare(self) -> None:
        """Make the topics, and a configuration for the processes."""
        create(self.configuration.kafka)
        self._file.write_bytes(msgspec.json.encode(self.configuration))

    @contextmanager
    def process(self, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A `tapline` command that runs until the end of the block."""
        started = self.start(name, *arguments)
        try:
            yield started
        finally:
            end(started)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A `tapline` command that the caller ends; what it says goes to ``<name>.log``."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*ourselves("--config", str(self._file)), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def waiting(self) -> int:
        """Messages that workers or exporter have not committed."""
        kafka = self.configuration.kafka
        workers = backlog(kafka, self.configuration.workers.group, topics_of(()))
        exporter = backlog(kafka, f"{kafka.prefix}-{GROUP}", EXPORTED)
        return sum(one.waiting for one in (*workers, *exporter))

    def wait_until_done(self, seconds: float) -> None:
        """Until nothing waits any more."""
        wait_for(lambda: self.waiting() == 0, "workers and exporter to commit everything", seconds=seconds, every=1.0)

    def documents(self) -> dict[str, int]:
        """How many documents each data stream holds."""
        with Holdings(self.configuration.elasticsearch) as holdings:
            holdings.refresh()
            return holdings.documents()


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> None:
    """Signal a command and wait for it; a supervisor's children go with its process group."""
    process.send_signal(how)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def all_captures(folder: Path) -> Sequence[Path]:
    """The capture files of a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".pcap", ".pcapng"))
