"""The chart on the real API server: installed, changed, taken back, tested, removed.

No container runs here (kwok plays the kubelets): what is shown is what Kubernetes makes of the chart. What the pods'
commands do is in test_pods.py.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, blocks, own_file, steps
from tests.docs.test_commands import WITH_HELM, Shell
from tests.helm.chart import CHART, example
from tests.helm.cluster import Cluster, running_cluster, volume
from tests.helm.programs import schemas
from tests.namespaces import needs_networks
from tests.waiting import wait_for

pytestmark = needs_networks

SECONDS = 120.0
CAPTURE = {
    "syslog": {
        "sources": ["syslog:udp://0.0.0.0:5514"],
        "ports": [{"name": "syslog", "port": 514, "containerPort": 5514, "protocol": "UDP"}],
    }
}


STRIMZI = {"Kafka": "kafkas", "KafkaNodePool": "kafkanodepools", "KafkaTopic": "kafkatopics", "KafkaUser": "kafkausers"}


def any_fields(kind: str, plural: str) -> dict[str, Any]:
    """A definition of a kind of Strimzi's that takes whatever it is given: its own is in no module."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.kafka.strimzi.io"},
        "spec": {
            "group": "kafka.strimzi.io",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Not pytest's own, which are kept for a while: etcd takes much room.
    with tempfile.TemporaryDirectory(prefix="tapline-test-") as scratch, running_cluster(Path(scratch)) as running:
        for file in sorted((schemas() / "definitions").glob("*.json")):
            running.apply(json.loads(file.read_text(encoding="utf-8")))
        running.apply(*[any_fields(kind, plural) for kind, plural in STRIMZI.items()])
        running.apply(*[volume(f"volume-{number}") for number in range(16)])
        yield running


class Release:
    """A release of the chart in a namespace of its own, in which pods may have no rights to speak of."""

    def __init__(self, cluster: Cluster, namespace: str, *, security: str = "restricted") -> None:
        self.cluster = cluster
        self.namespace = namespace
        label = {f"pod-security.kubernetes.io/{mode}": security for mode in ("enforce", "warn")}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": label}})
        self._values = cluster.scratch / f"{namespace}.json"

    def helm(self, command: str, *arguments: str) -> str:
        return self.cluster.run("helm", command, "tapline", *arguments, "--namespace", self.namespace)

    def deploy(self, command: str, *values: Path, **more: Any) -> str:
        """Install or upgrade, and wait until all pods are ready."""
        self._values.write_text(json.dumps(more), encoding="utf-8")
        files = [argument for file in (*values, self._values) for argument in ("--values", str(file))]
        return self.helm(command, str(CHART), *files, "--wait", "--timeout", f"{SECONDS:.0f}s")

    def get(self, *what: str) -> Any:
        return self.cluster.get(*what, "--namespace", self.namespace)

    def pods(self, component: str) -> dict[str, str]:
        """Names and ids of the running pods of a component."""
        found = self.get("pods", "--selector", f"app.kubernetes.io/component={component}")["items"]
        return {
            each["metadata"]["name"]: each["metadata"]["uid"]
            for each in found
            if each["status"].get("phase") == "Running" and "deletionTimestamp" not in each["metadata"]
        }

    def scripts(self) -> dict[str, str]:
        data: dict[str, str] = self.get("configmap", "tapline-scripts").get("data", {})
        return data


def test_a_release_from_its_beginning_to_its_end(cluster: Cluster) -> None:
    release = Release(cluster, "life")
    before = cluster.namespaced("life")
    assert "STATUS: deployed" in release.deploy("install", example("minimal"), captures=CAPTURE)
    told = [each for each in release.get("events")["items"] if each["involvedObject"]["name"] == "tapline-setup"]
    assert any("Job completed" in each["message"] for each in told)
    assert not release.get("jobs")["items"], "the set-up job has done its work"
    workers = release.pods("workers")
    assert len(workers) == 2

    release.deploy("upgrade", example("minimal"), captures=CAPTURE, workers={"replicas": 3})
    assert len(release.pods("workers")) == 3
    assert set(workers.items()) <= set(release.pods("workers").items()), "who was there goes on"

    workers, exporters = release.pods("workers"), release.pods("exporter-elasticsearch")
    changed = {"captures": CAPTURE, "workers": {"replicas": 3}, "scripts": {"files": {"a.py": "A = 1\n"}}}
    release.deploy("upgrade", example("minimal"), **changed)
    assert release.scripts() == {"a.py": "A = 1\n"}
    assert release.pods("workers") == workers, "a changed script starts nothing anew"

    changed["configuration"] = {"process": {"log_level": "debug"}}
    release.deploy("upgrade", example("minimal"), **changed)
    assert not set(workers.values()) & set(release.pods("workers").values()), "a changed configuration does"
    assert not set(exporters.values()) & set(release.pods("exporter-elasticsearch").values())
    assert "log_level: debug" in release.get("configmap", "tapline")["data"]["tapline.yaml"]

    release.helm("rollback", "1", "--wait", "--timeout", f"{SECONDS:.0f}s")
    assert len(release.pods("workers")) == 2
    assert release.scripts() == {}
    assert "log_level" not in release.get("configmap", "tapline")["data"]["tapline.yaml"]

    tested = release.helm("test", "--timeout", f"{SECONDS:.0f}s")
    assert tested.count("Phase:          Succeeded") == 2, tested

    release.helm("uninstall", "--wait", "--timeout", f"{SECONDS:.0f}s")
    wait_for(lambda: cluster.namespaced("life") == before, "an empty namespace", seconds=SECONDS, every=0.5)


def test_everything_that_can_be_on_at_once(cluster: Cluster) -> None:
    release = Release(cluster, "all")
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "export", "namespace": "all"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    cluster.apply(claim)
    scripts = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more-scripts", "namespace": "all"}}
    cluster.apply(scripts)
    release.deploy("install", example("everything"), exporters={"mirror": {"enabled": True, "replicas": 2}})
    expected = {
        "workers": 2,
        "exporter-elasticsearch": 2,
        "exporter-recipients": 2,
        "exporter-files": 2,
        "exporter-mirror": 2,
        "capture-snmp": 1,
        "capture-traps": 1,
        "console": 1,
    }
    assert {component: len(release.pods(component)) for component in expected} == expected
    assert set(release.pods("exporter-mirror")) == {"tapline-exporter-mirror-0", "tapline-exporter-mirror-1"}
    scaler = release.get("horizontalpodautoscaler", "tapline-workers")["spec"]
    assert scaler["scaleTargetRef"]["name"] == "tapline-workers"
    budget = release.get("poddisruptionbudget", "tapline-workers")["status"]
    assert budget["expectedPods"] == 2
    release.helm("uninstall", "--wait", "--timeout", f"{SECONDS:.0f}s")
    left = {"ConfigMap/more-scripts", "PersistentVolumeClaim/export", "PersistentVolumeClaim/state-tapline-console-0"}
    wait_for(lambda: cluster.namespaced("all") == left, f"only {left}", seconds=SECONDS, every=0.5)


def test_a_newer_chart_takes_over_a_release_of_one_that_knew_less(cluster: Cluster, tmp_path: Path) -> None:
    """By the way of going on that the page names: the values given stay, the defaults are the newer chart's."""
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    (older / "templates" / "monitoring.yaml").unlink()
    values = yaml.safe_load((older / "values.yaml").read_text(encoding="utf-8"))
    del values["monitoring"]
    (older / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    release = Release(cluster, "newer")
    release.helm("install", str(older), "--values", str(example("minimal")), "--set", "workers.replicas=3", "--wait")
    watched = ["--set", "monitoring.dashboard.enabled=true"]
    release.helm("upgrade", str(CHART), "--reset-then-reuse-values", *watched, "--wait")
    assert len(release.pods("workers")) == 3
    assert "tapline.json" in release.get("configmap", "tapline-dashboard")["data"]
    release.helm("uninstall", "--wait", "--timeout", f"{SECONDS:.0f}s")


def test_packets_need_a_namespace_that_allows_them(cluster: Cluster) -> None:
    release = Release(cluster, "packets", security="privileged")
    release.deploy("install", example("interfaces"))
    assert len(release.pods("capture-interfaces")) == 3, "one on each node"
    release.helm("uninstall", "--wait")

    refused = Release(cluster, "no-packets")
    values = ["--values", str(example("interfaces"))]
    refused.helm("install", str(CHART), *values)
    wait_for(
        lambda: [each for each in refused.get("events")["items"] if "violates PodSecurity" in each["message"]],
        "a refusal of what opens interfaces",
        seconds=SECONDS,
        every=0.5,
    )
    assert not refused.pods("capture-interfaces")
    refused.helm("uninstall", "--wait")


def test_resources_of_operators_are_what_these_define(cluster: Cluster) -> None:
    """The operators are not there: their resources are taken, nothing comes of them."""
    release = Release(cluster, "operators")
    release.helm("install", str(CHART), "--values", str(example("operators")))
    kinds = {
        "kafkas.kafka.strimzi.io": 1,
        "kafkanodepools.kafka.strimzi.io": 1,
        "kafkatopics.kafka.strimzi.io": 16,
        "kafkausers.kafka.strimzi.io": 4,
        "elasticsearches.elasticsearch.k8s.elastic.co": 1,
        "kibanas.kibana.k8s.elastic.co": 1,
        "scaledobjects.keda.sh": 1,
        "triggerauthentications.keda.sh": 1,
        "servicemonitors.monitoring.coreos.com": 1,
        "prometheusrules.monitoring.coreos.com": 1,
    }
    assert {kind: len(release.get(kind)["items"]) for kind in kinds} == kinds
    assert len(release.get("jobs")["items"]) == 1, "set-up runs beside the rest"
    release.helm("uninstall", "--wait", "--timeout", f"{SECONDS:.0f}s")
    wait_for(lambda: not cluster.namespaced("operators"), "an empty namespace", seconds=SECONDS, every=0.5)


def test_a_set_up_that_fails_stops_the_installation(cluster: Cluster) -> None:
    """A job that cannot succeed in its time: the deadline is over before kwok says that its pod has run."""
    release = Release(cluster, "failing")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-pods", "namespace": "failing"},
        "spec": {"hard": {"pods": "0"}},
    }
    cluster.apply(quota)
    with pytest.raises(AssertionError, match="pre-install"):
        release.deploy("install", example("minimal"), setup={"activeDeadlineSeconds": 3})
    assert not release.get("deployments")["items"]


def test_the_page_about_the_chart_can_be_followed(cluster: Cluster, tmp_path: Path) -> None:
    page = ROOT / "docs" / "how-to" / WITH_HELM
    (tmp_path / "helm").symlink_to(ROOT / "helm")
    shell = Shell(tmp_path, cluster.environment)
    try:
        for block in blocks(page):
            shown = own_file(block)
            if shown is not None:
                (tmp_path / shown[0]).write_text(shown[1], encoding="utf-8")
            if block.language == "console":
                for step in steps(block):
                    output, code = shell.run(step.command)
                    assert code == 0, f"line {step.line}: {step.command}\n{output}"
                    assert not step.output or step.matches(output), f"line {step.line}: {step.command}\n{output}"
    finally:
        shell.close()
