"""The usual mistakes, made: `tapline doctor` finds each and says what to do."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from elasticsearch import Elasticsearch

from exporters.elasticsearch.documents import index_name
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.templates import index_templates
from tapline.commands import capture_findings, diagnosis
from tapline.commands.finding import Finding
from tapline.configuration import Configuration
from tapline.services.engine import Launch
from tapline.services.kafka import Kafka
from tests.integration.commands.conftest import TAPLINE, CommandLine
from tests.integration.engines import engine_folder, engine_settings, running
from tests.namespaces import cable, ip, needs_networks, own_network
from tests.waiting import wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="rights and file systems can be changed by root alone")


def found(tapline: CommandLine, *, before: tuple[str, ...] = ()) -> dict[str, Finding]:
    """What the doctor finds, by subject; ``before`` is what the command is run by."""
    command = [*before, *TAPLINE, "doctor", "--json"]
    told = subprocess.run(
        command, cwd=tapline.folder, env=tapline.environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert told.stderr == ""
    findings = [Finding(**each) for each in json.loads(told.stdout)]
    assert told.returncode == any(finding.verdict == "problem" for finding in findings)
    assert all(bool(finding.fix) == (finding.verdict != "ok") for finding in findings), findings
    return {finding.subject: finding for finding in findings}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kafka]:
    """A Kafka that tells clients to go where nothing is."""
    prepare = Kafka._prepare

    def misled(self: Kafka, *arguments: object) -> Launch:
        launch = prepare(self, *arguments)  # type: ignore[arg-type]
        properties = self.folder / "server.properties"
        text = properties.read_text(encoding="utf-8")
        told = f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}"
        assert told in text
        properties.write_text(text.replace(told, "advertised.listeners=PLAINTEXT://127.0.0.1:1"), encoding="utf-8")
        return launch

    monkeypatch.setattr(Kafka, "_prepare", misled)
    with engine_folder() as folder, running(Kafka(engine_settings(folder))) as kafka:
        yield kafka


def test_brokers_that_send_clients_elsewhere(tapline: CommandLine, elsewhere: Kafka) -> None:
    tapline.environment["TAPLINE_KAFKA__BOOTSTRAP"] = elsewhere.address
    findings = found(tapline)
    assert findings["kafka.bootstrap"].verdict == "ok"
    broker = findings["kafka broker 1"]
    assert broker.verdict == "problem"
    assert "tells clients to go to 127.0.0.1:1" in broker.finding
    assert "advertised.listeners" in broker.fix


def test_topics_that_are_missing_or_have_other_partitions(tapline: CommandLine) -> None:
    flow = f"topic {tapline.environment['TAPLINE_KAFKA__PREFIX']}.flow.v1"
    assert found(tapline)[flow].fix == "run `tapline topics create`"
    assert tapline("topics", "create").returncode == 0
    assert found(tapline)["topics"].verdict == "ok"
    tapline.environment["TAPLINE_KAFKA__PARTITIONS"] = "3"
    assert found(tapline)[flow].finding == "of 2 partitions, not 3"


def test_topics_that_keep_too_little(tapline: CommandLine, kafka: str) -> None:
    assert tapline("topics", "create").returncode == 0
    prefix = tapline.environment["TAPLINE_KAFKA__PREFIX"]
    admin = AdminClient({"bootstrap.servers": kafka})
    for topic, name, value in (("flow", "max.message.bytes", "1000000"), ("metric", "retention.ms", "600000")):
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, f"{prefix}.{topic}.v1", incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result()
    findings = found(tapline)
    assert "takes messages of 1,000,000 bytes" in findings[f"topic {prefix}.flow.v1"].finding
    assert findings[f"topic {prefix}.flow.v1"].fix == "set its max.message.bytes to 8388608"
    assert "keeps records for 10 minutes" in findings[f"topic {prefix}.metric.v1"].finding


@pytest.fixture
def client(elasticsearch: str) -> Iterator[Elasticsearch]:
    made = Elasticsearch(elasticsearch)
    yield made
    made.close()


def test_indices_that_take_no_writes(tapline: CommandLine, client: Elasticsearch) -> None:
    assert tapline("export", "setup").returncode == 0
    name = index_name("flow", tapline.environment["TAPLINE_ELASTICSEARCH__NAMESPACE"])
    client.index(index=name, op_type="create", document={"@timestamp": "2026-11-29T00:00:00Z"})
    assert "indices" not in found(tapline)

    def blocked() -> Finding | None:
        # Where there is room the server takes such a block back by itself, every half a minute.
        client.indices.put_settings(index=name, settings={"index.blocks.read_only_allow_delete": True})
        return found(tapline).get("indices")

    finding = wait_for(blocked, "the indices to be told of", seconds=120)
    assert finding is not None
    assert finding.verdict == "problem"
    assert name in finding.finding
    assert "index.blocks.read_only_allow_delete: null" in finding.fix


def test_templates_of_another_version(tapline: CommandLine, client: Elasticsearch) -> None:
    assert tapline("export", "setup").returncode == 0
    assert found(tapline)["templates"].finding == "all there"
    name = next(iter(index_templates()))
    template = client.indices.get_index_template(name=name)["index_templates"][0]["index_template"]
    template["_meta"] |= {"version": 0, "digest": "other"}
    client.indices.put_index_template(name=name, **{key.replace("_meta", "meta"): it for key, it in template.items()})
    try:
        finding = found(tapline)["templates"]
        assert finding.finding == f"1 are not those of this program, as {name}"
        assert "tapline export setup" in finding.fix
    finally:
        assert tapline("export", "setup").returncode == 0
    assert found(tapline)["templates"].finding == "all there"


def test_clocks_that_differ(tapline: CommandLine, elasticsearch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.time
    monkeypatch.setattr(diagnosis.time, "time", lambda: clock() - 100)
    configuration = Configuration(elasticsearch=ElasticsearchSettings(hosts=[elasticsearch]))
    findings = {each.subject: each for each in diagnosis.elasticsearch(configuration)}
    assert findings["clocks"].finding == "Elasticsearch's is 100 s ahead of this machine's"
    assert findings["clocks"].fix == "set both by NTP"


@needs_root
def test_rights_and_buffers_that_are_lacking(tapline: CommandLine) -> None:
    tapline.environment["TAPLINE_CAPTURE__SYSLOG__RECEIVE_BUFFER"] = str(1 << 30)
    findings = found(tapline, before=("setpriv", "--bounding-set", "-net_raw,-net_admin"))
    assert findings["live capture"].verdict == "warning"
    assert "CAP_NET_RAW and CAP_NET_ADMIN" in findings["live capture"].fix
    assert "not the 1,073,741,824 of capture.syslog.receive_buffer" in findings["socket buffers"].finding
    assert "net.core.rmem_max=1073741824" in findings["socket buffers"].fix


@needs_networks
def test_interfaces_that_cannot_be_captured_as_they_are() -> None:
    with own_network():
        cable("here", "there")
        merge("here", on=True)
        merge("there", on=False)
        findings = {each.subject: each for each in capture_findings.interfaces(["here", "there", "eth7"])}
        assert findings["here"].fix == "turn it off: `ethtool -K here gro off`"
        assert findings["there"].verdict == "ok"
        assert findings["eth7"].fix == "name one of these: here, lo, there"
        ip("link", "set", "there", "down")
        (down,) = capture_findings.interfaces(["there"])
        assert down.fix == "bring it up: `ip link set there up`"


def merge(interface: str, *, on: bool) -> None:
    """What `ethtool -K INTERFACE gro on|off` does (SIOCETHTOOL with ETHTOOL_SGRO)."""
    value = ctypes.create_string_buffer(struct.pack("II", 0x2C, on))
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(value)).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8946, request)


@needs_networks
def test_own_addresses_that_are_in_no_local_network() -> None:
    with own_network():
        cable("wan", "lan")
        ip("address", "add", "20.0.0.1/24", "dev", "wan")
        (finding,) = capture_findings.own_addresses(Configuration())
    assert finding.verdict == "warning"
    assert "20.0.0.1 of wan is no address of workers.local_networks" in finding.finding


def test_scripts_that_cannot_be_used(tapline: CommandLine) -> None:
    folder = tapline.folder / "scripts" / "enabled"
    folder.mkdir(parents=True)
    (folder / "wrong.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    finding = found(tapline)["script wrong"]
    assert finding.verdict == "problem"
    assert "wrong.py:1" in finding.finding
    assert "tapline scripts check" in finding.fix
    tapline.environment["TAPLINE_WORKERS__APPROVED_SCRIPTS"] = str(tapline.folder / "approved.sha256")
    assert "is not approved" in found(tapline)["script wrong"].finding


@needs_root
@pytest.mark.skipif(shutil.which("unshare") is None, reason="this needs unshare (util-linux)")
def test_a_disk_that_is_full(tapline: CommandLine) -> None:
    (tapline.folder / ".tapline").mkdir()
    # Runs what follows where a small disk is mounted, which is gone with it.
    mounted = 'mount -t tmpfs -o size=1m none .tapline && exec "$@"'
    finding = found(tapline, before=("unshare", "--mount", "sh", "-c", mounted, "sh"))["disk"]
    assert finding.verdict == "problem"
    assert "only 1 MiB of disk are free" in finding.finding
    assert "make room" in finding.fix


def test_engines_that_are_not_there(tapline: CommandLine, tmp_path: Path) -> None:
    tapline.environment["TAPLINE_KAFKA__BOOTSTRAP"] = "127.0.0.1:1"
    tapline.environment["TAPLINE_ELASTICSEARCH__HOSTS"] = "['http://127.0.0.1:1']"
    findings = found(tapline)
    for subject in ("kafka.bootstrap", "elasticsearch.hosts"):
        assert findings[subject].verdict == "problem"
        assert f"start it with `tapline up`, or set {subject}" in findings[subject].fix
