"""The images that the tests need and cannot pull: a Debian made by debootstrap, Kafka and Elasticsearch on it.

The engines are those that ``tapline up`` runs. They offer what docker-compose.yml uses of the images of Apache and
Elastic: the same programs at the same places, the same user, the same volumes. Kibana is the tests' stand-in.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import docker
import pytest
from docker.errors import BuildError, ImageNotFound

from tapline.services.cache import install
from tapline.services.elasticsearch import _DROPPED_OPTION
from tapline.services.java import java_home
from tests.docs.pages import ROOT
from topics.partitions import digest

BASE: Final = "tapline-tests/debian:12"
KAFKA: Final = "tapline-tests/kafka"
ELASTICSEARCH: Final = "tapline-tests/elasticsearch"
KIBANA: Final = "tapline-tests/kibana"
TAPLINE: Final = "tapline"
CAPTURE: Final = "tapline-capture"

_SUITES: Final = ("bookworm", "bookworm-updates", "bookworm-security")
_CERTIFICATES: Final = Path("/usr/local/share/ca-certificates")

_KAFKA_PROGRAM: Final = """#!/bin/bash
# As Kafka's own script of this name; the artefacts have none.
exec /opt/java/bin/java $KAFKA_HEAP_OPTS -Djava.io.tmpdir=/tmp -cp '/opt/kafka/libs/*' {name} "$@"
"""
_KAFKA: Final = f"""
FROM {BASE}
COPY java /opt/java
COPY libs /opt/kafka/libs
COPY bin /opt/kafka/bin
RUN useradd --uid 1000 appuser && install -d -o appuser /var/lib/kafka/data
USER appuser
"""
_ELASTICSEARCH_START: Final = """#!/bin/bash
# As in Elastic's image, variables with dots in their names are settings.
settings=()
while IFS= read -r -d '' variable; do
  [[ "$variable" =~ ^[a-z_]+(\\.[a-z_]+)+= ]] && settings+=("-E$variable")
done < /proc/$$/environ
exec /usr/share/elasticsearch/bin/elasticsearch "${settings[@]}" -Enetwork.host=0.0.0.0
"""
_ELASTICSEARCH: Final = f"""
FROM {BASE}
RUN apt-get update -q && apt-get install -q -y --no-install-recommends curl
RUN useradd --uid 1000 --gid 0 elasticsearch
COPY java /opt/java
COPY --chown=1000:0 home /usr/share/elasticsearch
COPY start /usr/local/bin/start
RUN install -d -o elasticsearch /usr/share/elasticsearch/data /usr/share/elasticsearch/logs
ENV ES_JAVA_HOME=/opt/java
WORKDIR /usr/share/elasticsearch
USER elasticsearch
ENTRYPOINT ["/usr/local/bin/start"]
"""
_KIBANA: Final = f"""
FROM {TAPLINE}
USER 0
RUN apt-get update -q && apt-get install -q -y --no-install-recommends curl
COPY stand_in.py /opt/stand_in.py
RUN install -d -o 10001 /usr/share/kibana/data
USER 10001
HEALTHCHECK NONE
CMD ["/opt/tapline/bin/python", "-c", "\\
import signal, sys; sys.path.insert(0, '/opt'); from stand_in import StandIn, kibana; \\
exec('with kibana(StandIn(), address=(\\"0.0.0.0\\", 5601)): signal.sigwait([signal.SIGTERM])')"]
"""


def build_all(client: docker.DockerClient) -> None:
    """Build what is missing, and our own images as the Dockerfile says now."""
    _base(client)
    ours = {"path": str(ROOT), "buildargs": {"BASE": BASE}}
    _build(client, TAPLINE, target="tapline", **ours)
    _build(client, CAPTURE, target="capture", **ours)
    with tempfile.TemporaryDirectory(prefix="tapline-test-") as name:
        folder = Path(name)
        _kafka(client, folder / "kafka")
        _elasticsearch(client, folder / "elasticsearch")
        _kibana(client, folder / "kibana")


def _base(client: docker.DockerClient) -> None:
    """A Debian like that of the official image, which knows this machine's mirrors and authorities."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"], capture_output=True, text=True, check=True
    ).stdout
    mirrors = {release: uri for uri, release in map(str.split, listed.splitlines()) if release in _SUITES}
    if "bookworm" not in mirrors:
        pytest.skip("apt knows no mirror of Debian 12 from which a base image could be made")
    sources = "".join(f"deb {uri} {release} main\n" for release, uri in sorted(mirrors.items()))
    authorities = sorted(_CERTIFICATES.glob("*.crt"))
    made_of = digest(sources, *(each.read_text(encoding="utf-8") for each in authorities))
    try:
        if client.images.get(BASE).labels.get("made-of") == made_of:
            return
    except ImageNotFound:
        pass
    with tempfile.TemporaryDirectory(prefix="tapline-test-") as name:
        root, archive = Path(name, "root"), Path(name, "root.tar")
        command = ["debootstrap", "--variant=minbase", "bookworm", str(root), mirrors["bookworm"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no base image can be made here: {done.stdout.strip()[-300:]}")
        (root / "etc/apt/sources.list").write_text(sources, encoding="utf-8")
        (root / _CERTIFICATES.relative_to("/")).mkdir(parents=True, exist_ok=True)
        for each in authorities:
            shutil.copy(each, root / _CERTIFICATES.relative_to("/"))
        # What the official slim image leaves out as well.
        left_out = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
        for each in left_out:
            shutil.rmtree(root / each)
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        repository, tag = BASE.split(":")
        client.api.import_image_from_file(
            str(archive), repository=repository, tag=tag, changes=[f"LABEL made-of={made_of}", "CMD bash"]
        )


def _kafka(client: docker.DockerClient, folder: Path) -> None:
    shutil.copytree(java_home(None), folder / "java", symlinks=True)
    shutil.copytree(install("kafka", print), folder / "libs")
    (folder / "bin").mkdir()
    for program, name in (
        ("kafka-storage.sh", "kafka.tools.StorageTool"),
        ("kafka-server-start.sh", "kafka.Kafka"),
    ):
        _program(folder / "bin" / program, _KAFKA_PROGRAM.format(name=name))
    _described(client, KAFKA, folder, _KAFKA)


def _elasticsearch(client: docker.DockerClient, folder: Path) -> None:
    shutil.copytree(java_home(None), folder / "java", symlinks=True)
    (home,) = install("elasticsearch", print).glob("elasticsearch-*")
    shutil.copytree(home, folder / "home")
    options = folder / "home" / "config" / "jvm.options"
    kept = [line for line in options.read_text(encoding="utf-8").splitlines() if not _DROPPED_OPTION.search(line)]
    options.write_text("\n".join([*kept, "-XX:-AlwaysPreTouch"]) + "\n", encoding="utf-8")
    for program in (folder / "home" / "bin").iterdir():
        program.chmod(0o755)
    _program(folder / "start", _ELASTICSEARCH_START)
    _described(client, ELASTICSEARCH, folder, _ELASTICSEARCH)


def _kibana(client: docker.DockerClient, folder: Path) -> None:
    folder.mkdir()
    shutil.copy(ROOT / "tests" / "kibana" / "stand_in.py", folder)
    _described(client, KIBANA, folder, _KIBANA)


def _program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _described(client: docker.DockerClient, tag: str, folder: Path, dockerfile: str) -> None:
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    _build(client, tag, path=str(folder))


def _build(client: docker.DockerClient, tag: str, **described: str | Mapping[str, str]) -> None:
    try:
        client.images.build(tag=tag, network_mode="host", rm=True, forcerm=True, **described)
    except BuildError as error:
        said = "".join(str(line.get("stream", line.get("error", ""))) for line in error.build_log)
        raise AssertionError(f"{tag} cannot be built:\n{said[-3000:]}") from error
