"""The images that the tests need and cannot pull: a Debian made by debootstrap, Kafka and Elasticsearch on it.

The engines are those that ``tapline up`` runs. They offer what docker-compose.yml uses of the images of Apache and
Elastic: the same programs at the same places, the same user, the same volumes. Kibana is the tests' stand-in.
Prometheus is Debian's.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import docker
from docker.errors import BuildError, ImageNotFound

from tapline.services.cache import install
from tapline.services.elasticsearch import _DROPPED_OPTION
from tapline.services.java import java_home
from tests.containers.debian import debian
from tests.docs.pages import ROOT
from topics.partitions import digest

BASE: Final = "tapline-tests/debian:12"
KAFKA: Final = "tapline-tests/kafka"
ELASTICSEARCH: Final = "tapline-tests/elasticsearch"
KIBANA: Final = "tapline-tests/kibana"
PROMETHEUS: Final = "tapline-tests/prometheus"
TAPLINE: Final = "tapline"

_CACHE_BYTES: Final = 6_000_000_000
"""How much of what builds leave behind is kept, for those to come."""

_LEFT_OUT: Final = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
"""What the official slim image of Debian leaves out as well."""

_KAFKA_PROGRAM: Final = """#!/bin/bash
# As Kafka's own script of this name; the artefacts have none.
export JDK_JAVA_OPTIONS='-XX:TieredStopAtLevel=1 -Djava.io.tmpdir=/tmp'
exec /opt/java/bin/java $KAFKA_HEAP_OPTS -cp '/opt/kafka/libs/*' {name} "$@"
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
FROM {TAPLINE} AS tapline
FROM {BASE}
RUN apt-get update -q && apt-get install -q -y --no-install-recommends curl python3
RUN useradd --uid 1000 --gid 0 kibana && install -d -o kibana /usr/share/kibana/data
COPY --from=tapline /opt/tapline/lib/python3.11/site-packages/msgspec /opt/msgspec
COPY stand_in.py /opt/stand_in.py
USER kibana
CMD ["python3", "-c", "\\
import signal, sys; sys.path.insert(0, '/opt'); from stand_in import StandIn, kibana; \\
exec('with kibana(StandIn(), address=(\\"0.0.0.0\\", 5601)): signal.sigwait([signal.SIGTERM])')"]
"""

_PROMETHEUS: Final = f"""
FROM {BASE}
RUN apt-get update -q && apt-get install -q -y --no-install-recommends prometheus wget
RUN install -d -o nobody /prometheus
USER nobody
ENTRYPOINT ["/usr/bin/prometheus"]
"""


def build_base(client: docker.DockerClient) -> None:
    """A Debian like that of the official image, which knows this machine's mirrors and authorities."""
    root = debian("bookworm")
    if _is_made_of(client, BASE, root.name):
        return
    with tempfile.TemporaryDirectory(prefix="tapline-test-") as name:
        archive = Path(name, "root.tar")
        without = [f"--exclude=./{each}/*" for each in _LEFT_OUT]
        subprocess.run(["tar", "-C", str(root), *without, "-cf", str(archive), "."], check=True)
        repository, tag = BASE.split(":")
        client.api.import_image_from_file(
            str(archive), repository=repository, tag=tag, changes=[f"LABEL made-of={root.name}", "CMD bash"]
        )


def build_others(client: docker.DockerClient) -> None:
    """Build the images of others as far as they are missing; ours and their base are there."""
    java = java_home(None)
    kafka, elasticsearch = install("kafka", print), install("elasticsearch", print)
    _build_once(client, KAFKA, _KAFKA, [java, kafka], lambda folder: _write_kafka(folder, java, kafka))
    _build_once(
        client,
        ELASTICSEARCH,
        _ELASTICSEARCH,
        [java, elasticsearch],
        lambda folder: _write_elasticsearch(folder, java, elasticsearch),
    )
    _build(client, PROMETHEUS, _PROMETHEUS, lambda _: None)
    _build(client, KIBANA, _KIBANA, lambda folder: shutil.copy(ROOT / "tests" / "kibana" / "stand_in.py", folder))


def forget_unused(client: docker.DockerClient) -> None:
    """Drop what former images and builds have left, as far as none of today's is made of it."""
    client.images.prune()
    client.api.prune_builds(keep_storage=_CACHE_BYTES)


def _is_made_of(client: docker.DockerClient, tag: str, made_of: str) -> bool:
    try:
        return bool(client.images.get(tag).labels.get("made-of") == made_of)
    except ImageNotFound:
        return False


def _write_kafka(folder: Path, java: Path, libraries: Path) -> None:
    shutil.copytree(java, folder / "java", symlinks=True)
    shutil.copytree(libraries, folder / "libs")
    (folder / "bin").mkdir()
    for program, name in (
        ("kafka-storage.sh", "kafka.tools.StorageTool"),
        ("kafka-server-start.sh", "kafka.Kafka"),
    ):
        _program(folder / "bin" / program, _KAFKA_PROGRAM.format(name=name))


def _write_elasticsearch(folder: Path, java: Path, unpacked: Path) -> None:
    shutil.copytree(java, folder / "java", symlinks=True)
    (home,) = unpacked.glob("elasticsearch-*")
    shutil.copytree(home, folder / "home")
    options = folder / "home" / "config" / "jvm.options"
    kept = [line for line in options.read_text(encoding="utf-8").splitlines() if not _DROPPED_OPTION.search(line)]
    # Neither runs for long: what starts soon is worth more than what compiles well.
    options.write_text("\n".join([*kept, "-XX:-AlwaysPreTouch", "-XX:TieredStopAtLevel=1"]) + "\n", encoding="utf-8")
    for program in (folder / "home" / "bin").iterdir():
        program.chmod(0o755)
    _program(folder / "start", _ELASTICSEARCH_START)


def _program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _build_once(
    client: docker.DockerClient, tag: str, dockerfile: str, parts: list[Path], write: Callable[[Path], object]
) -> None:
    """Build what is large to send, unless it is there, of these parts: their names tell what is in them."""
    made_of = digest(debian("bookworm").name, *(str(part) for part in parts), Path(__file__).read_text("utf-8"))
    if not _is_made_of(client, tag, made_of):
        _build(client, tag, f"{dockerfile}LABEL made-of={made_of}\n", write)


def _build(client: docker.DockerClient, tag: str, dockerfile: str, write: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory(prefix="tapline-test-") as name:
        folder = Path(name)
        write(folder)
        (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        try:
            client.images.build(tag=tag, path=name, network_mode="host", rm=True, forcerm=True)
        except BuildError as error:
            said = "".join(str(line.get("stream", line.get("error", ""))) for line in error.build_log)
            raise AssertionError(f"{tag} cannot be built:\n{said[-3000:]}") from error
