"""A deployment on a secured Kafka: each component with a user of its own, which may do what it has to and no more."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
from click.testing import CliRunner, Result
from msgspec.structs import replace

from exporters.elasticsearch.documents import EXPORTED
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.files.settings import FilesSettings
from exporters.prometheus.settings import PrometheusSettings
from tapline.commands import cli
from tapline.commands.backlog import backlog
from tapline.configuration import Configuration
from tapline.process.supervisor import ourselves
from tests.integration.pipeline.stack import end
from tests.integration.security.cluster import ADMIN, SecuredCluster
from tests.waiting import wait_for
from topics.catalog import BY_KIND
from topics.dead_letters import EXPORTER
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings
from workers.stages import topics_of

USERS = {
    "setup": "setup",
    "capture": "sensor",
    "capture-reading-back": "follower",
    "worker": "counter",
    "elasticsearch": "indexer",
    "files": "writer",
    "mirror": "mirror",
    "prometheus": "gauge",
    "recipients": "teller",
    "console": "watcher",
    "reader": "visitor",
    "operator": "operator",
}
"""The user of each component."""


class Deployment:
    """Topics, groups and data streams of a test's own, and the rights of the users in them."""

    def __init__(self, cluster: SecuredCluster, elasticsearch: str, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.namespace = f"t{uuid.uuid4().hex[:12]}"
        self.elasticsearch = elasticsearch
        for component in USERS:
            self.write(component, self.kafka(component))
        self.write(ADMIN, cluster.settings(ADMIN, self.namespace))

    def prepare(self) -> None:
        """Give the users their rights, and have the one for that make the topics."""
        grants = [f"--grant={component}=User:{user}" for component, user in USERS.items()]
        for command in ((ADMIN, "topics", "rights", *grants), ("setup", "topics", "create")):
            done = self.run(*command)
            assert done.exit_code == 0, done.output

    def kafka(self, component: str) -> KafkaSettings:
        """How a component reaches Kafka: its user's password is in a file."""
        settings = self.cluster.settings(USERS[component], self.namespace)
        password = self.folder / f"{component}.password"
        password.write_text(f"{settings.password}\n")
        return replace(settings, password="", password_file=str(password))

    def configuration(self, kafka: KafkaSettings) -> Configuration:
        """A configuration that reaches Kafka so."""
        return Configuration(
            kafka=kafka,
            elasticsearch=ElasticsearchSettings(hosts=[self.elasticsearch], namespace=self.namespace, metrics_port=-1),
            workers=WorkersSettings(group=self.namespace, scripts=[], agents=[], metrics_port=-1),
            files=FilesSettings(folder=str(self.folder / "files"), rotate_seconds=2, metrics_port=-1),
            prometheus=PrometheusSettings(counters=[{"group": "Hosts"}], metrics_port=0),  # type: ignore[list-item]
        )

    def write(self, name: str, kafka: KafkaSettings) -> None:
        """Have ``name`` reach Kafka so."""
        self.write_configuration(name, self.configuration(kafka))

    def write_configuration(self, name: str, configuration: Configuration) -> None:
        """Have ``name`` be configured so."""
        self._file(name).write_bytes(msgspec.json.encode(configuration))

    def run(self, name: str, *arguments: str) -> Result:
        """What a command of ``name`` does and says, run here."""
        return CliRunner().invoke(cli, ["--config", str(self._file(name)), *arguments], obj=None)

    def refusal(self, name: str, *arguments: str) -> str:
        """What a command of ``name`` says that is refused at its start."""
        done = subprocess.run(
            [*ourselves("--config", str(self._file(name))), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        assert self.cluster.passwords.get(USERS.get(name, ""), "\0") not in done.stderr
        return done.stderr.strip().splitlines()[-1]

    @contextmanager
    def process(self, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command of ``name`` that runs until the end of the block."""
        started = self.start(name, *arguments)
        try:
            yield started
        finally:
            if started.poll() is None:
                end(started, seconds=60)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of ``name`` that the caller ends; what it says goes to ``<name>.log``."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*ourselves("--config", str(self._file(name))), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def waiting(self, exporter: str) -> int:
        """Messages that workers or this exporter have not committed, as a reader sees it."""
        kafka = self.kafka("reader")
        exported = EXPORTED if exporter == EXPORTER else [BY_KIND[kind] for kind in FilesSettings().kinds]
        workers = backlog(kafka, self.namespace, topics_of(()))
        exporters = backlog(kafka, f"{kafka.prefix}-{exporter}", exported)
        return sum(one.waiting for one in (*workers, *exporters))

    def wait_until_done(self, exporter: str, seconds: float) -> None:
        """Until nothing waits any more."""
        wait_for(
            lambda: self.waiting(exporter) == 0,
            "workers and exporter to commit everything",
            seconds=seconds,
            every=1.0,
        )

    def exported(self, kind: str) -> list[str]:
        """The ids of the records of a kind that the exporter to files has written."""
        tables = [pq.read_table(path, columns=["id"]) for path in self.folder.glob(f"files/kind={kind}/*/*.parquet")]
        return [str(identity) for table in tables for identity in table["id"].to_pylist()]

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"
