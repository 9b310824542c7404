"""A Kubernetes of a test's own: the real API server, controllers and scheduler over etcd; kwok plays the kubelets.

No container runs: a pod is said to run, and a job's to succeed, a moment after it was given to a node. All of it is in
a network of its own, so the usual ports are free.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.helm.programs import MODULE, program
from tests.namespaces import ip, own_network
from tests.waiting import wait_for

_START_SECONDS: Final = 180.0
_SERVER: Final = "https://127.0.0.1:6443"
_NODES: Final = ("node-1", "node-2", "node-3")
_ADMINISTRATOR: Final = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "it", "cluster": {"server": _SERVER, "insecure-skip-tls-verify": True}}],
    "users": [{"name": "administrator", "user": {"token": "administrator"}}],
    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "administrator"}}],
    "current-context": "it",
}


class Cluster:
    """Asks and changes it; ``environment`` is that of a person who may do everything."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.kubeconfig = scratch / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(_ADMINISTRATOR), encoding="utf-8")
        self.kubeconfig.chmod(0o600)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))},
            "PATH": f"{Path(program('kubectl')).parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(scratch),
        }

    def run(self, *command: str, stdin: str | None = None) -> str:
        """What a command says; it has to succeed."""
        done = subprocess.run(
            command, env=self.environment, cwd=self.scratch, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def get(self, *what: str) -> Any:
        """What `kubectl get` finds, as JSON."""
        return json.loads(self.run("kubectl", "get", *what, "--output", "json"))

    def items(self, *what: str) -> list[dict[str, Any]]:
        """The resources that `kubectl get` finds."""
        found: list[dict[str, Any]] = self.get(*what)["items"]
        return found

    def apply(self, *resources: Mapping[str, Any]) -> None:
        """Have these resources."""
        listed = {"apiVersion": "v1", "kind": "List", "items": resources}
        self.run("kubectl", "apply", "--server-side", "--filename", "-", stdin=json.dumps(listed))

    def namespaced(self, namespace: str) -> set[str]:
        """Kind and name of everything in a namespace but what Kubernetes puts there itself, and events."""
        kinds = self.run(
            "kubectl", "api-resources", "--namespaced", "--verbs", "list,delete", "--output", "name"
        ).split()
        kept = [kind for kind in kinds if kind not in {"events", "events.events.k8s.io"}]
        found = self.items(",".join(kept), "--namespace", namespace)
        named = {f"{each['kind']}/{each['metadata']['name']}" for each in found}
        return named - {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}


@contextmanager
def running_cluster(scratch: Path) -> Iterator[Cluster]:
    """A cluster of three nodes within the block; it is gone after it."""
    with own_network(), ExitStack() as stack:
        # Something has to be the way out for the API server to find an address of its own.
        ip("address", "add", "192.0.2.1/32", "dev", "lo")
        cluster = Cluster(scratch)
        _run_servers(cluster, stack)
        wait_for(lambda: _answers(cluster), "the API server", seconds=_START_SECONDS, every=0.2)
        for name in _NODES:
            cluster.apply(_node(name))
        wait_for(lambda: _settled(cluster), "nodes and accounts", seconds=_START_SECONDS, every=0.2)
        yield cluster


def _run_servers(cluster: Cluster, stack: ExitStack) -> None:
    scratch = cluster.scratch
    tokens = scratch / "tokens.csv"
    tokens.write_text('administrator,administrator,1,"system:masters"\n', encoding="ascii")
    key = scratch / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    config = f"--kubeconfig={cluster.kubeconfig}"
    commands = [
        [
            "etcd",
            f"--data-dir={scratch / 'etcd'}",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        ],
        [
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            "--bind-address=127.0.0.1",
            "--advertise-address=192.0.2.1",
            f"--cert-dir={scratch / 'certificates'}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=198.51.100.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        ],
        [
            "kube-controller-manager",
            config,
            f"--service-account-private-key-file={key}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--concurrent-gc-syncs=4",
        ],
        ["kube-scheduler", config, "--leader-elect=false", "--bind-address=127.0.0.1"],
        [
            "kwok",
            config,
            f"--config={MODULE / 'stages.yaml'}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            "--cidr=203.0.113.0/24",
        ],
    ]
    logs = scratch / "logs"
    logs.mkdir()
    for command in commands:
        log = stack.enter_context((logs / f"{command[0]}.log").open("wb"))
        # The controllers and kwok try again until the API server is there.
        stack.enter_context(_process([program(command[0]), *command[1:]], cluster, log.fileno()))


@contextmanager
def _process(command: list[str], cluster: Cluster, log: int) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=cluster.environment, cwd=cluster.scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    try:
        yield
    finally:
        # Nobody will read what they would put in order.
        process.kill()
        process.wait()


def _answers(cluster: Cluster) -> bool:
    asked = subprocess.run(
        ["kubectl", "get", "--raw", "/readyz"], env=cluster.environment, capture_output=True, check=False
    )
    return asked.returncode == 0


def _settled(cluster: Cluster) -> bool:
    nodes = cluster.items("nodes")
    ready = [
        node
        for node in nodes
        for condition in node["status"].get("conditions", ())
        if condition["type"] == "Ready" and condition["status"] == "True"
    ]
    accounts = cluster.items("serviceaccounts", "--all-namespaces")
    return len(ready) == len(_NODES) and any(each["metadata"]["namespace"] == "default" for each in accounts)


def _node(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
    }


def volume(name: str) -> dict[str, Any]:
    """A volume for whoever claims one: nothing here makes them when they are asked for."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Ti"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/nowhere/{name}"},
        },
    }
