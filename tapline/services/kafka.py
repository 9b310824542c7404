"""Apache Kafka on this machine: one process, broker and controller in one, on loopback only."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import uuid
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import ClassVar, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tapline.services.engine import Engine, Launch
from tapline.services.java import java_home
from tapline.services.preflight import MEBIBYTE
from topics.errors import TaplineError

_FORMAT_SECONDS: Final = 60
_PROBE_SECONDS: Final = 5.0


class Kafka(Engine):
    """A Kafka broker with its data in ``<folder>/kafka``."""

    name: ClassVar[str] = "kafka"
    memory_needed: ClassVar[int] = 512 * MEBIBYTE
    port_settings: ClassVar[Mapping[str, str]] = {"clients": "kafka_port", "controller": "kafka_controller_port"}

    @property
    def address(self) -> str:
        """The bootstrap server, as ``127.0.0.1:9092``."""
        return f"127.0.0.1:{self.port}"

    def _prepare(self, installation: Path, ports: Mapping[str, int]) -> Launch:
        (self.folder / "server.properties").write_text(self._properties(ports), encoding="utf-8")
        logging = resources.files(__package__).joinpath("kafka.log4j2.properties").read_text(encoding="utf-8")
        (self.folder / "log4j2.properties").write_text(logging, encoding="utf-8")
        # Compression codecs unpack their native part here; what a killed broker left is of no use.
        shutil.rmtree(self.folder / "tmp")
        (self.folder / "tmp").mkdir()
        java = [
            str(java_home(None) / "bin" / "java"),
            "-Djava.io.tmpdir=tmp",
            "-Dlog4j2.configurationFile=log4j2.properties",
            "-XX:-UsePerfData",
            *("-cp", f"{installation}/*"),
        ]
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(java)
        heap = [f"-Xmx{self.settings.kafka_heap}m", "-XX:+ExitOnOutOfMemoryError"]
        return Launch([java[0], *heap, *java[1:], "kafka.Kafka", "server.properties"], self.folder, {})

    def _properties(self, ports: Mapping[str, int]) -> str:
        """The text of ``server.properties``."""
        template = Template(resources.files(__package__).joinpath("kafka.properties").read_text(encoding="utf-8"))
        return template.substitute(broker_port=ports["clients"], controller_port=ports["controller"])

    def _format_options(self) -> list[str]:
        """What the data folder is formatted with: the cluster id that every one has to have."""
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One word: the id may begin with a hyphen and would be taken for an option.
        return [f"--cluster-id={cluster}"]

    def _format(self, java: list[str]) -> None:
        tool = ["kafka.tools.StorageTool", "format", *self._format_options(), "--config", "server.properties"]
        ended = subprocess.run(
            [java[0], "-XX:TieredStopAtLevel=1", *java[1:], *tool],
            cwd=self.folder,
            env={},
            capture_output=True,
            text=True,
            timeout=_FORMAT_SECONDS,
            check=False,
        )
        if ended.returncode != 0:
            reason = (ended.stderr or ended.stdout).strip().splitlines()
            raise TaplineError(f"cannot prepare {self.folder} for kafka: {reason[-1] if reason else 'no reason given'}")

    def _client(self) -> Mapping[str, str | int | float | bool]:
        """What a client of it has to be told."""
        return {"bootstrap.servers": self.address}

    def _answers(self) -> bool:
        try:
            # First without the client, which would log each refused connection.
            socket.create_connection(("127.0.0.1", self.port), timeout=_PROBE_SECONDS).close()
        except OSError:
            return False
        client = AdminClient({**self._client(), "log_level": "0"})
        try:
            return bool(client.list_topics(timeout=_PROBE_SECONDS).brokers)
        except KafkaException:
            return False
