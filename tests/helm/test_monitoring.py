"""The alert rules and the dashboard that the chart brings."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.docs.pages import ROOT
from tests.helm.chart import Manifest, example, manifests, named

MONITORING = ROOT / "deploy" / "monitoring"
MINIMAL = yaml.safe_load(example("minimal").read_text(encoding="utf-8"))


def watched(**monitoring: Any) -> list[Manifest]:
    return manifests({**MINIMAL, "monitoring": monitoring})


def kinds(found: list[Manifest]) -> set[tuple[str, str]]:
    return {(each["kind"], each["metadata"]["name"]) for each in found}


def test_neither_is_there_unless_asked_for() -> None:
    plain = kinds(manifests(MINIMAL))
    assert kinds(watched(rules={"enabled": True})) - plain == {("PrometheusRule", "tapline")}
    assert kinds(watched(dashboard={"enabled": True})) - plain == {("ConfigMap", "tapline-dashboard")}


def test_the_rules_are_those_of_deploy_monitoring_where_prometheus_finds_them() -> None:
    rule = named(watched(rules={"enabled": True, "labels": {"release": "monitoring"}}), "PrometheusRule", "tapline")
    assert rule["spec"] == yaml.safe_load((MONITORING / "rules.yaml").read_text(encoding="utf-8"))
    assert rule["metadata"]["labels"]["release"] == "monitoring"


def test_the_dashboard_is_that_of_deploy_monitoring_where_the_sidecar_finds_it() -> None:
    asked = {"enabled": True, "annotations": {"grafana_folder": "Network"}}
    board = named(watched(dashboard=asked), "ConfigMap", "tapline-dashboard")
    expected = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    assert json.loads(board["data"]["tapline.json"]) == expected
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["metadata"]["annotations"] == {"grafana_folder": "Network"}
