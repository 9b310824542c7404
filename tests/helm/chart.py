"""The chart as `helm template` writes it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.helm.programs import KUBERNETES, program

CHART: Final = Path(__file__).parents[2] / "helm" / "tapline"
EXAMPLES: Final = sorted((CHART / "examples").glob("*.yaml"))
Manifest = dict[str, Any]

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def example(name: str) -> Path:
    """One of the files with values that come with the chart."""
    return CHART / "examples" / f"{name}.yaml"


def helm(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm, without a cluster."""
    return subprocess.run([program("helm"), *arguments], input=stdin, capture_output=True, text=True, check=False)


def rendered(values: Path | Mapping[str, Any], *, kubernetes: str = KUBERNETES) -> str:
    """The manifests for these values, of a release ``tapline`` in a namespace of that name; hooks and tests, too."""
    text = values.read_text(encoding="utf-8") if isinstance(values, Path) else json.dumps(values)
    return _rendered(text, kubernetes)


@cache
def _rendered(values: str, kubernetes: str) -> str:
    arguments = ["tapline", str(CHART), "--namespace", "tapline", "--kube-version", kubernetes, "--values", "-"]
    done = helm("template", *arguments, stdin=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests(values: Path | Mapping[str, Any]) -> list[Manifest]:
    """The same, read."""
    return [each for each in yaml.load_all(rendered(values), Loader=_LOADER) if each]


def named(found: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of this kind and name."""
    (one,) = [each for each in found if each["kind"] == kind and each["metadata"]["name"] == name]
    return one


def pod_specs(found: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Kind and name of everything that makes pods, with the pods' specification."""
    for each in found:
        if each["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            yield f"{each['kind']}/{each['metadata']['name']}", each["spec"]["template"]["spec"]


def configuration(found: list[Manifest]) -> str:
    """The ``tapline.yaml`` of the pods."""
    text: str = named(found, "ConfigMap", "tapline")["data"]["tapline.yaml"]
    return text
