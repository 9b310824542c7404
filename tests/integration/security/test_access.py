"""Each component works with its own user; with another's it is refused, and told which right is missing."""

from __future__ import annotations

import json
import time

import pytest
from msgspec.structs import replace

from capture.publisher import KafkaPublisher
from capture.source import window_of
from tapline.commands.capturing import Summary
from tapline.commands.demonstration import conservation
from tapline.commands.holdings import Holdings
from tapline.demo import DEMO_CAPTURE
from tests.certificates import Authority
from tests.integration.security.cluster import SecuredCluster
from tests.integration.security.deployment import USERS, Deployment
from topics.catalog import ALERT, CAPTURED, UNMARKED
from topics.codec import SNAPSHOT_SCHEMA, Envelope, encode
from topics.dead_letters import EXPORTER
from topics.records import WINDOW_SECONDS, Snapshot
from topics.settings import KafkaSettings

WITH_CERTIFICATES = "with certificates"


@pytest.mark.parametrize("how", ["with passwords", WITH_CERTIFICATES])
def test_each_with_its_own_user_brings_a_capture_to_elasticsearch(deployment: Deployment, how: str) -> None:
    if how == WITH_CERTIFICATES:
        for component in ("capture", "worker", "elasticsearch"):
            kafka = deployment.cluster.settings_with_certificate(USERS[component], deployment.namespace)
            deployment.write(component, kafka)
    with (
        deployment.process("worker", "worker", "--processes", "1"),
        deployment.process("elasticsearch", "export", "elasticsearch"),
    ):
        done = deployment.run("capture", "capture", str(DEMO_CAPTURE), "--json")
        assert done.exit_code == 0, done.output
        deployment.wait_until_done(EXPORTER, 300)
    configuration = deployment.configuration(deployment.kafka("reader"))
    summary = Summary(**json.loads(done.stdout))
    with Holdings(configuration.elasticsearch) as holdings:
        holdings.refresh()
        rows = conservation(configuration, holdings, summary)
    assert all(row.equal for row in rows), rows
    assert {row.kind for row in rows if row.announced} >= {"flow", "resource", "document", "bytes"}


def names(deployment: Deployment, *kinds: str) -> list[str]:
    return [f"{deployment.namespace}.{kind}.v1" for kind in kinds]


def test_who_may_only_write_cannot_work_or_export(shared: Deployment) -> None:
    said = shared.refusal("capture", "worker")
    assert said.startswith("tapline: the Kafka user sensor lacks rights of worker: ")
    (flow,) = names(shared, "flow")
    assert f"Read and DescribeConfigs on the topic {flow}," in said
    assert f"Read on the group {shared.namespace}*" in said
    assert said.endswith("run `tapline topics rights --grant worker=User:sensor`")
    said = shared.refusal("capture", "export", "files")
    assert f"Read on the topic {flow}," in said
    assert f"Read on the group {shared.namespace}-exporter-files" in said


def test_another_ones_user_cannot_export_to_elasticsearch(deployment: Deployment) -> None:
    said = deployment.refusal("files", "export", "elasticsearch")
    assert said.startswith("tapline: the Kafka user writer lacks rights of elasticsearch: ")
    assert f"Read on the group {deployment.namespace}-exporter-elasticsearch" in said


@pytest.mark.parametrize("other", ["elasticsearch", "files", "mirror", "prometheus", "recipients", "reader"])
def test_who_may_only_read_cannot_capture(shared: Deployment, other: str) -> None:
    said = shared.refusal(other, "capture", str(DEMO_CAPTURE))
    assert said.startswith(f"tapline: the Kafka user {USERS[other]} lacks rights of capture: Write on the topic ")
    missing = {topic.name(shared.namespace) for topic in (*CAPTURED, *UNMARKED)}
    if other != "reader":
        missing -= set(names(shared, "dead"))
    assert {name for name in missing if f"Write on the topic {name}" in said} == missing


@pytest.mark.parametrize(
    ("who", "command", "missing"),
    [
        ("elasticsearch", ("export", "files"), "Read on the group {0}-exporter-files"),
        ("files", ("export", "mirror"), "Read on the group {0}-exporter-mirror"),
        ("recipients", ("export", "prometheus"), "Read on the topic {0}.counter.v1"),
        ("prometheus", ("worker",), "Read and Write and DescribeConfigs on the topic {0}.flow.v1"),
        ("capture", ("topics", "verify"), "DescribeConfigs on the topic {0}.flow.v1"),
        ("capture", ("topics", "tail", "flow", "--beginning"), "Read on the topic {0}.flow.v1"),
        ("capture", ("topics", "tail", "counter", "--beginning"), "Describe on the topic {0}.counter.v1"),
        ("reader", ("policy", "set", "pools/mine", "{members: [10.0.0.0/8]}"), "Write on the topic {0}.policy.v1"),
        ("capture", ("alerts", "list"), "Describe on the topic"),
        ("reader", ("topics", "rights", "--grant=worker=User:visitor"), "Alter on the cluster"),
    ],
)
def test_another_ones_user_is_told_the_right_that_is_missing(
    shared: Deployment, who: str, command: tuple[str, ...], missing: str
) -> None:
    if command[1:2] == ("tail",):
        assert shared.run("capture", "capture", str(DEMO_CAPTURE)).exit_code == 0
    said = shared.refusal(who, *command)
    assert f"the Kafka user {USERS[who]} " in said
    assert missing.format(shared.namespace) in said


def test_people_see_and_change_what_they_may(shared: Deployment) -> None:
    done = shared.run("operator", "policy", "set", "pools/mine", "{members: [10.0.0.0/8]}")
    assert done.exit_code == 0, done.output
    for command in (("policy", "show"), ("topics", "verify"), ("alerts", "list"), ("dlq", "list")):
        done = shared.run("reader", *command)
        assert done.exit_code == 0, done.output
    assert "pools/mine" in shared.run("reader", "policy", "show").stdout


def test_a_node_that_may_only_write_begins_with_the_next_window(shared: Deployment) -> None:
    marker = Snapshot(node="sensor#1", stream="live", window=600, announced=0, final=True)
    headers = Envelope(SNAPSHOT_SCHEMA, "sensor#1", "live", 600, 0, 1).headers()
    ended = {}
    for user in ("capture", "capture-reading-back"):
        with KafkaPublisher(shared.kafka(user), live=True) as publisher:
            publisher.send(ALERT, 0, encode([marker]), headers, 0)
            publisher.flush()
            ended[user] = publisher.ended(lambda producer: producer == "sensor#1")
    assert ended["capture-reading-back"] == 600
    now = window_of(time.time_ns() // 1000)
    assert ended["capture"] in (now - WINDOW_SECONDS, now)


def test_only_who_may_create_makes_topics(cluster: SecuredCluster, shared: Deployment) -> None:
    other = f"{shared.namespace}x"
    kafka = replace(shared.kafka("reader"), prefix=other)
    shared.write("other", kafka)
    said = shared.refusal("other", "topics", "create")
    assert said == (
        f"tapline: cannot create topic {other}.flow.v1: the Kafka user visitor has no right to Create on the topic"
        f" {other}.flow.v1: see `tapline topics rights`"
    )


def test_the_mirror_needs_its_transactional_id(shared: Deployment) -> None:
    configuration = shared.configuration(shared.kafka("mirror"))
    shared.write_configuration("other", replace(configuration, mirror=replace(configuration.mirror, instance="9")))
    said = shared.refusal("other", "export", "mirror")
    assert said == (
        "tapline: the Kafka user mirror has no right to Write on the transactional id"
        f" {shared.namespace}-exporter-mirror-9: see `tapline topics rights`"
    )


def test_what_is_wrong_with_the_connection_is_said(cluster: SecuredCluster, shared: Deployment) -> None:
    right = cluster.settings(USERS["reader"], shared.namespace)
    mutual = cluster.settings_with_certificate(USERS["reader"], shared.namespace)
    other = cluster.folder / "other-ca.pem"
    stranger = [cluster.folder / name for name in ("stranger.crt", "stranger.key")]
    Authority(other).issue("visitor", *stranger)
    wrong: dict[str, tuple[KafkaSettings, str]] = {
        "password": (replace(right, password="wrong"), "does not accept the Kafka user visitor: see to kafka.username"),
        "user": (replace(right, username="nobody"), "does not accept the Kafka user nobody: see to kafka.username"),
        "mechanism": (replace(right, sasl_mechanism="PLAIN"), "knows no PLAIN: set kafka.sasl_mechanism"),
        "CA": (replace(right, ca_file=str(other)), "is by no CA that is trusted here"),
        "host name": (
            replace(right, bootstrap=right.bootstrap.replace("127.0.0.1", "localhost")),
            "or for another host name: set kafka.ca_file to the certificate of its CA, and kafka.bootstrap",
        ),
        "no TLS": (
            replace(right, security_protocol="PLAINTEXT"),
            "does not speak PLAINTEXT on this port: set kafka.security_protocol",
        ),
        "no certificate": (replace(mutual, certificate_file="", key_file=""), "wants a client's certificate"),
        "certificate": (
            replace(mutual, certificate_file=str(stranger[0]), key_file=str(stranger[1])),
            "does not accept the certificate in ",
        ),
    }
    said = {}
    for what, (kafka, _) in wrong.items():
        shared.write("other", kafka)
        done = shared.run("other", "topics", "list")
        said[what] = str(done.exception)
    assert {what: text for what, text in said.items() if wrong[what][1] not in text} == {}
    assert not any(cluster.passwords[USERS["reader"]] in text for text in said.values())
