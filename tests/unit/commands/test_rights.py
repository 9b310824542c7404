"""What each component may do in Kafka."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tapline.commands import cli
from tapline.commands.rights import components, given
from tapline.configuration import Configuration
from topics.catalog import CATALOG, POLICY
from topics.errors import TaplineError

ALL = components(Configuration())
EXPORTERS = ("elasticsearch", "files", "mirror", "prometheus", "recipients")


def allowed(name: str) -> set[tuple[str, str, str]]:
    return {(right.kind, right.name, operation) for right in ALL[name].rights for operation in right.operations}


def test_capture_may_only_write() -> None:
    assert {operation for _, _, operation in allowed("capture")} == {"Write"}
    assert {kind for kind, _, _ in allowed("capture")} == {"topic"}


@pytest.mark.parametrize("name", EXPORTERS)
def test_exporters_write_dead_letters_and_what_is_their_own(name: str) -> None:
    written = {topic for kind, topic, operation in allowed(name) if (kind, operation) == ("topic", "Write")}
    assert written <= {"tapline.dead.v1", "tapline.mirror."}


def test_nobody_but_people_and_the_console_sets_the_policy() -> None:
    policy = POLICY.name("tapline")
    assert {name for name in ALL if ("topic", policy, "Write") in allowed(name)} == {"console"}
    assert {name for name in ALL if ("topic", "tapline.", "Write") in allowed(name)} == {"operator"}


def test_workers_are_allowed_every_topic_there_is() -> None:
    read = {topic for kind, topic, operation in allowed("worker") if (kind, operation) == ("topic", "Read")}
    assert read == {topic.name("tapline") for topic in CATALOG}


def test_names_are_those_of_the_configuration() -> None:
    environment = {"TAPLINE_KAFKA__PREFIX": "net", "TAPLINE_MIRROR__INSTANCE": "7", "TAPLINE_MIRROR__KINDS": "[flow]"}
    done = CliRunner().invoke(cli, ["topics", "rights", "--component", "mirror", "--json"], env=environment)
    (mirror,) = json.loads(done.stdout)
    assert [right["name"] for right in mirror["rights"]] == [
        "net.flow.v1",
        "net.dead.v1",
        "net-exporter-mirror",
        "net.mirror.",
        "net-exporter-mirror-7",
    ]


@pytest.mark.parametrize(
    ("grant", "message"),
    [
        ("capture", "'capture' names no user of Kafka: write it as capture=User:name"),
        ("capture=sensor", "names no user of Kafka"),
        ("captures=User:sensor", "there is no component 'captures'; there are setup, capture, "),
    ],
)
def test_a_grant_that_is_none_is_refused(grant: str, message: str) -> None:
    with pytest.raises(TaplineError, match=message):
        given(ALL, [grant])
