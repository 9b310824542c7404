"""The lock names everything that is fetched."""

import re

import pytest

from tapline.services.lock import locked
from tapline.services.write_lock import SOURCES

ENGINES = sorted(SOURCES)


@pytest.mark.parametrize("name", ENGINES)
def test_it_is_of_the_version_that_is_asked_for(name: str) -> None:
    assert locked(name).version == SOURCES[name].version


@pytest.mark.parametrize("name", ENGINES)
def test_every_file_has_a_release_and_a_checksum(name: str) -> None:
    engine = locked(name)
    assert re.fullmatch("[0-9a-f]{64}", engine.tree)
    assert engine.size > 0
    for coordinate, checksum in engine.artifacts.items():
        group, artifact, version, packaging = coordinate.split(":")
        assert all((group, artifact, packaging in {"jar", "zip"}))
        assert "SNAPSHOT" not in version
        assert re.fullmatch("[0-9a-f]{64}", checksum)


def test_all_of_kafka_is_of_one_version() -> None:
    kafka = locked("kafka")
    versions = {name.split(":")[2] for name in kafka.artifacts if name.startswith("org.apache.kafka:")}
    assert versions == {kafka.version}
