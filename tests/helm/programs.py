"""The programs that the chart's tests need: built once a user from Go modules, and kept beside the engines.

``make kubernetes`` runs this. Which modules stands in ``tools/go.mod``, their checksums in ``tools/go.sum``; the
schemas of Kubernetes' resources come from the modules of its versions, checked as well.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tapline.services.cache import cache_folder
from tests.helm.schemas import of_kubernetes, of_resource_definitions, resource_definitions
from topics.errors import TaplineError
from topics.partitions import digest

MODULE: Final = Path(__file__).parent / "tools"
KUBERNETES: Final = "v1.37.2"
"""The version that runs; ``tools/go.mod`` has it, too."""

_BUILT: Final = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "helm": "helm.sh/helm/v3/cmd/helm",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""Each program and its package; the linker calls it by the last part that is no version."""

SCHEMAS: Final = {
    "v1.35.4": "h1:o/8dBC/pHVpYoGV4OAIytAlNPZbdYVTXJHoYvXC4qzM=",
    "v1.36.3": "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=",
    "v1.37.2": "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=",
}
"""The versions of Kubernetes that manifests are checked against, and the checksums of their modules."""

DEFINITIONS: Final = {
    "github.com/elastic/cloud-on-k8s/v3": (
        "v3.5.0",
        "h1:sR4oj+gNnwI9hgsKhBwjUlx+5F2T/kND40hrzaogtek=",
        ("config/crds/v1/all-crds.yaml",),
    ),
    "github.com/kedacore/keda/v2": (
        "v2.21.0",
        "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
        ("config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml"),
    ),
    "github.com/prometheus-operator/prometheus-operator": (
        "v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        (
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        ),
    ),
}
"""Modules that have the definitions of operators' resources: their version, checksum, and the files."""

_USED: Final = ("Elasticsearch", "Kibana", "PrometheusRule", "ScaledObject", "ServiceMonitor", "TriggerAuthentication")
"""The kinds of operators' resources that the chart makes."""


def programs_folder() -> Path:
    """Where the programs that ``tools`` describes are kept; it is there when it is whole."""
    described = [(MODULE / name).read_text(encoding="utf-8") for name in ("go.mod", "go.sum")]
    return cache_folder() / "kubernetes" / f"programs-{digest(KUBERNETES, *_BUILT.values(), *described)[:16]}"


def schemas_folder() -> Path:
    """Where the schemas are kept, a folder for each version, and ``operators`` and ``definitions``; whole likewise."""
    made_by = Path(__file__).with_name("schemas.py").read_text(encoding="utf-8")
    return cache_folder() / "kubernetes" / f"schemas-{digest(str(SCHEMAS), str(DEFINITIONS), made_by)[:16]}"


def program(name: str) -> str:
    """The path of one of the programs; the test is passed over where they were not built."""
    return str(_there(programs_folder()) / name)


def schemas() -> Path:
    """The folder of the schemas; the test is passed over where they were not made."""
    return _there(schemas_folder())


def build() -> None:
    """Make what is missing; :class:`TaplineError` says why it cannot be."""
    kept = cache_folder() / "kubernetes"
    kept.mkdir(parents=True, exist_ok=True)
    with _alone(kept / "lock"):
        for whole, make in ((programs_folder(), _build_programs), (schemas_folder(), _make_schemas)):
            if whole.is_dir():
                continue
            go = shutil.which("go")
            if go is None:
                raise TaplineError("there is no go: install it (apt install -t bookworm-backports golang-go)")
            with tempfile.TemporaryDirectory(dir=kept, prefix="making-") as name:
                made = Path(name, whole.name)
                made.mkdir()
                make(go, made)
                made.rename(whole)


def _there(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip("Kubernetes, Helm and their schemas are not there (make kubernetes)")
    return folder


def _build_programs(go: str, target: Path) -> None:
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    told = {
        f"{package}.{name}": value
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in (("gitVersion", KUBERNETES), ("gitMajor", major), ("gitMinor", minor))
    }
    # Without it helm takes itself for one of an old Kubernetes.
    for package in ("pkg/lint/rules", "pkg/chartutil"):
        told[f"helm.sh/helm/v3/{package}.k8sVersionMajor"] = major
        told[f"helm.sh/helm/v3/{package}.k8sVersionMinor"] = minor
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in told.items())])
    _run([go, "build", "-mod=readonly", "-trimpath", f"-ldflags={flags}", "-o", f"{target}/", *_BUILT.values()])
    (target / "server").rename(target / "etcd")


def _make_schemas(go: str, target: Path) -> None:
    for version, checksum in SCHEMAS.items():
        archive = _module(go, "k8s.io/kubernetes", version, checksum)
        text = archive.read(f"k8s.io/kubernetes@{version}/api/openapi-spec/swagger.json")
        of_kubernetes(json.loads(text), target / version)
    crds = target / "definitions"
    crds.mkdir()
    for module, (version, checksum, files) in DEFINITIONS.items():
        archive = _module(go, module, version, checksum)
        for file in files:
            text = archive.read(f"{module}@{version}/{file}").decode()
            for definition in resource_definitions(text):
                if definition["spec"]["names"]["kind"] in _USED:
                    of_resource_definitions(definition, target / "operators", crds)


def _module(go: str, module: str, version: str, checksum: str) -> zipfile.ZipFile:
    """The archive of a module, whose content is as expected."""
    answer = json.loads(_run([go, "mod", "download", "-json", f"{module}@{version}"]))
    if answer["Sum"] != checksum:
        raise TaplineError(f"{module}@{version} is not what it was: its checksum is {answer['Sum']}, not {checksum}")
    return zipfile.ZipFile(answer["Zip"])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=MODULE, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise TaplineError(f"`{' '.join(command[:3])}` failed: see above")
    return done.stdout


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        os.nice(10)
        build()
    except TaplineError as problem:
        sys.exit(f"make kubernetes: {problem}")
