"""What the chart makes of values, without a cluster."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tapline.configuration import load
from tapline.policy.reading import read_files
from tests.helm.chart import (
    CHART,
    EXAMPLES,
    configuration,
    example,
    helm,
    manifests,
    named,
    pod_specs,
    rendered,
)
from tests.helm.programs import SCHEMAS, program, schemas
from topics.catalog import CATALOG

MINIMAL = yaml.safe_load(example("minimal").read_text(encoding="utf-8"))
VERSIONS = [version.removeprefix("v") for version in SCHEMAS]

STRIMZI = ("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
"""Kinds whose definitions are in no module: nothing checks their fields here."""

by_name = pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)


def minimal(**more: Any) -> dict[str, Any]:
    return {**MINIMAL, **more}


def kubeconform(text: str, kubernetes: str) -> subprocess.CompletedProcess[str]:
    """Check manifests against this version of Kubernetes; what a kind does not have is an error."""
    kind = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
    return subprocess.run(
        [
            program("kubeconform"),
            "-strict",
            "-summary",
            f"-skip={','.join(STRIMZI)}",
            f"-kubernetes-version={kubernetes}",
            *("-schema-location", f"{schemas()}/{{{{ .NormalizedKubernetesVersion }}}}/{kind}"),
            *("-schema-location", f"{schemas()}/operators/{kind}"),
        ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


@by_name
def test_lint_finds_nothing(values: Path) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(values), "--kube-version", VERSIONS[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@by_name
@pytest.mark.parametrize("kubernetes", VERSIONS)
def test_manifests_are_what_kubernetes_knows(values: Path, kubernetes: str) -> None:
    done = kubeconform(rendered(values, kubernetes=kubernetes), kubernetes)
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = sum(each["kind"] in STRIMZI for each in manifests(values))
    assert f"Skipped: {skipped}" in done.stdout


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    """The check can fail: the schemas are ours."""
    wrong = rendered(example("minimal")).replace("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true")
    done = kubeconform(wrong, VERSIONS[0])
    assert done.returncode == 1
    assert "readOnlyRootFileSystem" in done.stdout


@by_name
def test_the_configuration_is_one_that_tapline_can_use(
    values: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = manifests(values)
    file = tmp_path / "tapline.yaml"
    file.write_text(configuration(found), encoding="utf-8")
    for _, pod in pod_specs(found):
        for container in pod["containers"]:
            environment = {
                each["name"]: each.get("value", "something")
                for each in container["env"]
                if each["name"] != "TAPLINE_CONFIG"
            }
            loaded = load(str(file), environment)
            assert loaded.configuration.kafka.bootstrap
            assert loaded.configuration.process.metrics_host == "0.0.0.0"
    policy = tmp_path / "policy.yaml"
    policy.write_text(named(found, "ConfigMap", "tapline-policy")["data"]["policy.yaml"], encoding="utf-8")
    read_files([policy])


def test_the_longest_names_are_short_enough() -> None:
    values = yaml.safe_load(example("everything").read_text(encoding="utf-8"))
    values |= {
        "fullnameOverride": "x" * 63,
        "captures": {"y" * 15: {"sources": ["eth0"], "ports": [{"name": "z", "port": 1}]}},
    }
    for each in manifests(values):
        # A StatefulSet's pods have a label with its name and a hash.
        most = 52 if each["kind"] == "StatefulSet" else 63
        assert len(each["metadata"]["name"]) <= most, each["metadata"]["name"]


def test_numbers_stay_numbers() -> None:
    found = manifests(minimal(configuration={"elasticsearch": {"bulk_bytes": 4_194_304}, "workers": {"processes": 1}}))
    assert "bulk_bytes: 4194304" in configuration(found)


@by_name
def test_pods_have_no_right_that_they_do_not_need(values: Path) -> None:
    for where, pod in pod_specs(manifests(values)):
        assert pod["securityContext"]["runAsNonRoot"] is True, where
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert pod["automountServiceAccountToken"] is False, where
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, where
            assert context["capabilities"]["drop"] == ["ALL"], where
            packets = where.startswith("DaemonSet/")
            assert context["allowPrivilegeEscalation"] is packets, where
            assert context["capabilities"].get("add") == (["NET_RAW"] if packets else None), where
            assert not any(mount.get("subPath") for mount in container["volumeMounts"]), where
        assert not any("hostPath" in volume for volume in pod["volumes"]), where


@by_name
def test_probes_services_and_budgets_find_what_they_are_for(values: Path) -> None:
    found = manifests(values)
    pods = {where: each for where, each in pod_specs(found) if not where.startswith("Job/")}
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in found
        if f"{each['kind']}/{each['metadata']['name']}" in pods
    }
    for where, pod in pods.items():
        (container,) = pod["containers"]
        ports = {each["name"] for each in container["ports"]}
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", where
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz", where
        assert {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} <= ports, where
        for constraint in pod.get("topologySpreadConstraints", ()):
            own = labels[where.partition("/")[2]].items()
            assert constraint["labelSelector"]["matchLabels"].items() <= own, where
    for each in found:
        if each["kind"] in {"Service", "PodDisruptionBudget"}:
            selector = each["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            chosen = [name for name, own in labels.items() if wanted <= own.items()]
            assert len(chosen) == 1, f"{each['kind']} {each['metadata']['name']} is for {chosen}"
            assert each["metadata"]["name"].startswith(chosen[0])


def test_each_component_has_the_user_that_is_its_own() -> None:
    found = dict(pod_specs(manifests(example("secured"))))
    users = {
        where: {each["name"]: each for each in pod["containers"][0]["env"]}["TAPLINE_KAFKA__USERNAME"]["value"]
        for where, pod in found.items()
    }
    assert users == {
        "Job/tapline-setup": "tapline-setup",
        "Job/tapline-test-topics": "tapline-setup",
        "Job/tapline-test-ready": "tapline-setup",
        "Deployment/tapline-workers": "tapline-workers",
        "Deployment/tapline-exporter-elasticsearch": "tapline-elasticsearch",
        "Deployment/tapline-exporter-recipients": "tapline-recipients",
        "Deployment/tapline-exporter-prometheus": "tapline-prometheus",
        "StatefulSet/tapline-exporter-files": "tapline-files",
        "StatefulSet/tapline-exporter-mirror": "tapline-mirror",
        "StatefulSet/tapline-capture-syslog": "tapline-capture",
        "StatefulSet/tapline-capture-netflow": "tapline-capture",
    }
    for where, pod in found.items():
        names = {each["name"] for each in pod["containers"][0]["env"]}
        asks = "exporter-elasticsearch" in where or "setup" in where or "test" in where
        assert ("TAPLINE_ELASTICSEARCH__API_KEY" in names) is asks, where
        assert "secret" not in json.dumps([each for each in pod["containers"][0]["env"] if "value" in each]), where


def test_secrets_of_the_chart_are_there_before_set_up() -> None:
    found = manifests(example("everything"))
    made = {each["metadata"]["name"]: each for each in found if each["kind"] == "Secret"}
    assert set(made) == {
        "tapline-kafka-user",
        "tapline-elasticsearch",
        "tapline-setup-kafka-user",
        "tapline-setup-elasticsearch",
    }
    setup = named(found, "Job", "tapline-setup")
    for name in ("tapline-setup-kafka-user", "tapline-setup-elasticsearch"):
        assert name in json.dumps(setup["spec"])
        weights = [int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (made[name], setup)]
        assert weights == sorted(weights)
        assert weights[0] < weights[1]
    text = configuration(found)
    assert "not:secret" not in text


def checksums(values: dict[str, Any]) -> dict[str, Any]:
    """The annotations of all pods: where they differ pods are started anew."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"]
        for each in manifests(values)
        if each["kind"] in {"Deployment", "StatefulSet", "DaemonSet"}
    }


def test_scripts_and_policy_change_without_a_restart_and_the_configuration_with_one() -> None:
    rules = {"r": {"metric": "bytes", "value": 1}}
    before = checksums(minimal())
    assert checksums(minimal(scripts={"files": {"a.py": "A = 1\n"}})) == before
    assert checksums(minimal(policy={"rules": rules})) == before
    changed = checksums(minimal(configuration={"process": {"log_level": "debug"}}))
    assert all(changed[name] != before[name] for name in before)
    agents = checksums(minimal(agents={"a.py": "A = 1\n"}))
    assert [name for name in before if agents[name] != before[name]] == ["tapline-workers"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"elasticsearch": MINIMAL["elasticsearch"]}, "kafka.bootstrap is empty"),
        ({"kafka": MINIMAL["kafka"]}, "elasticsearch.hosts is empty"),
        (minimal(workers={"replicas": 9}), "is more than kafka.partitions (8)"),
        (minimal(workers={"replicas": 2, "processes": 5}), "is more than kafka.partitions (8)"),
        (minimal(workers={"autoscaling": {"enabled": True, "maxReplicas": 9}}), "workers.autoscaling.maxReplicas (9)"),
        (
            minimal(workers={"autoscaling": {"enabled": True}, "keda": {"enabled": True}}),
            "would both change the number of workers",
        ),
        (minimal(exporters={"files": {"enabled": True, "replicas": 2}}), "exporters.files.storage.existingClaim"),
        (minimal(captures={"a": {"sources": []}}), "captures.a.sources is empty"),
        (minimal(console={"enabled": True, "ingress": {"enabled": True}}), "console.ingress.host is empty"),
        (minimal(console={"openid": {"issuer": "https://login.example.org"}}), "console.openid.clientId is empty"),
        (
            minimal(console={"openid": {"issuer": "https://login.example.org", "clientId": "tapline"}}),
            "nobody may log in by OpenID",
        ),
        (minimal(console={"openid": {"issuer": "http://login.example.org"}}), "issuer"),
        (minimal(console={"openid": {"clientSecret": "plain"}}), "clientSecret"),
        (
            minimal(configuration={"console": {"openid": {"client_secret": "plain"}}}),
            "have console.openid.secret name a secret",
        ),
        ({"strimzi": {"enabled": True, "replicas": 1}, "eck": {"enabled": True}}, "kafka.replication (3) is more"),
        (minimal(workers={"replica": 3}), "replica"),
        (minimal(captures={"a": {"kind": "Pod", "sources": ["eth0"]}}), "kind"),
        (minimal(kafka={"bootstrap": "k:9092", "partitions": "8"}), "partitions"),
        (minimal(captures={"A_B": {"sources": ["eth0"]}}), "A_B"),
        (minimal(captures={"y" * 16: {"sources": ["eth0"]}}), "maxLength"),
    ],
)
def test_what_cannot_work_is_refused_with_what_is_wrong(values: dict[str, Any], said: str) -> None:
    given = json.dumps(values)
    done = helm("template", "tapline", str(CHART), "--kube-version", VERSIONS[-1], "--values", "-", stdin=given)
    assert done.returncode != 0
    assert said in done.stderr


def keys(schema: dict[str, Any], definitions: dict[str, Any], prefix: str = "") -> set[str]:
    """The names of all values that a schema lists one by one."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    found: set[str] = set()
    for name, inner in schema.get("properties", {}).items():
        found |= {f"{prefix}{name}", *keys(inner, definitions, f"{prefix}{name}.")}
    return found


def given_keys(values: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, inner in values.items():
        found.add(f"{prefix}{name}")
        if isinstance(inner, dict):
            found |= given_keys(inner, f"{prefix}{name}.")
    return found


def test_the_schema_knows_every_value_and_no_other() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    listed = keys(schema, schema["$defs"])
    free = ("resources", "behavior", "topologySpreadConstraints", "labels")
    given = {key for key in given_keys(values) if not any(f".{part}." in key for part in free)}
    assert given <= listed
    # A component's pods and users may leave out what all have; what stands there is listed where it is told of.
    told_elsewhere = (".pods.", "kafka.users.", "elasticsearch.users.", "configuration.", "global", "resources.")
    assert not {key for key in listed - given if not any(part in f"{key}." for part in told_elsewhere)}


def test_operators_get_the_topics_and_users_that_tapline_uses() -> None:
    found = manifests(example("operators"))
    topics = {each["metadata"]["name"]: each["spec"] for each in found if each["kind"] == "KafkaTopic"}
    assert set(topics) == {topic.name("tapline") for topic in CATALOG}
    for topic in CATALOG:
        assert topics[topic.name("tapline")]["partitions"] == (topic.partitions or 24)
    users = {each["metadata"]["name"] for each in found if each["kind"] == "KafkaUser"}
    named_users = {
        each["value"]
        for _, pod in pod_specs(found)
        for each in pod["containers"][0]["env"]
        if each["name"] == "TAPLINE_KAFKA__USERNAME"
    }
    assert named_users <= users
    loaded = msgspec.yaml.decode(configuration(found))
    assert loaded["kafka"]["bootstrap"] == "tapline-kafka-kafka-bootstrap:9093"
    assert loaded["elasticsearch"]["hosts"] == ["https://tapline-es-http:9200"]
