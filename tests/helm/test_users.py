"""Who the chart's components are to Kafka, and what they may do there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.helm_pages import USERS, Access, access
from tapline.commands.rights import components
from tapline.configuration import Configuration, load
from tests.helm.chart import Manifest, configuration, example, manifests, pod_specs

OPERATORS = yaml.safe_load(example("operators").read_text(encoding="utf-8"))
EXPORTERS = ("elasticsearch", "files", "mirror", "prometheus", "recipients")
ALL_ON: dict[str, Any] = {
    **OPERATORS,
    "exporters": {name: {"enabled": True} for name in EXPORTERS},
    "console": {"enabled": True},
    "captures": {"syslog": {"sources": ["syslog:udp://0.0.0.0:5514"]}},
}
OTHER_NAMES: dict[str, Any] = {
    **ALL_ON,
    "kafka": {**OPERATORS["kafka"], "prefix": "net"},
    "configuration": {
        "workers": {"group": "counters"},
        "files": {"kinds": ["flow", "dead"]},
        "mirror": {"kinds": ["alert"], "prefix": "copies"},
    },
}


def allowed(found: list[Manifest]) -> dict[str, set[Access]]:
    """What each KafkaUser may do."""
    return {
        each["metadata"]["name"]: {
            (acl["resource"]["type"], acl["resource"]["name"], acl["resource"]["patternType"], operation)
            for acl in each["spec"]["authorization"]["acls"]
            for operation in acl["operations"]
        }
        for each in found
        if each["kind"] == "KafkaUser"
    }


def configured(found: list[Manifest], folder: Path, *, instance: int = 0) -> Configuration:
    """What the pods go by; of the mirror's those of this number."""
    file = folder / "tapline.yaml"
    file.write_text(configuration(found), encoding="utf-8")
    return load(str(file), {"TAPLINE_MIRROR__INSTANCE": f"tapline-exporter-mirror-{instance}"}).configuration


def user_name(user: str) -> str:
    return f"tapline-exporter-{user}" if user in EXPORTERS else f"tapline-{user}"


@pytest.mark.parametrize("values", [ALL_ON, OTHER_NAMES], ids=["usual-names", "other-names"])
def test_each_user_of_strimzi_may_do_what_its_component_has_to_and_nothing_else(
    values: dict[str, Any], tmp_path: Path
) -> None:
    found = manifests(values)
    rights = components(configured(found, tmp_path))
    expected = {user_name(user): access(rights[component].rights) for user, component in USERS.items()}
    assert allowed(found) == expected


def test_every_pod_of_the_mirror_has_its_transactional_id(tmp_path: Path) -> None:
    exporters = {**ALL_ON["exporters"], "mirror": {"enabled": True, "replicas": 3}}
    found = manifests({**ALL_ON, "exporters": exporters})
    wanted = [components(configured(found, tmp_path, instance=number))["mirror"].rights for number in range(3)]
    assert allowed(found)["tapline-exporter-mirror"] == set().union(*map(access, wanted))


def test_what_is_off_has_no_user() -> None:
    assert set(allowed(manifests(example("operators")))) == {
        "tapline-setup",
        "tapline-capture",
        "tapline-workers",
        "tapline-exporter-elasticsearch",
    }


def usernames(values: dict[str, Any]) -> dict[str, str]:
    """The user of Kafka that each workload is."""
    return {
        where.partition("/")[2]: each["value"]
        for where, pod in pod_specs(manifests(values))
        for each in pod["containers"][0]["env"]
        if each["name"] == "TAPLINE_KAFKA__USERNAME"
    }


def test_each_component_is_the_user_that_strimzi_made_for_it() -> None:
    found = usernames(ALL_ON)
    (setup,) = [name for name in found if name.startswith("tapline-setup-")]
    assert found == {
        setup: "tapline-setup",
        "tapline-test-topics": "tapline-setup",
        "tapline-test-ready": "tapline-setup",
        "tapline-capture-syslog": "tapline-capture",
        "tapline-workers": "tapline-workers",
        "tapline-console": "tapline-console",
        **{f"tapline-exporter-{name}": f"tapline-exporter-{name}" for name in EXPORTERS},
    }


def test_an_exporter_without_a_user_of_its_own_is_that_of_all_exporters_or_of_all() -> None:
    values = {
        "kafka": {
            "bootstrap": "kafka:9093",
            "securityProtocol": "SASL_SSL",
            "users": {
                "default": {"username": "anybody", "secret": "anybody"},
                "exporters": {"username": "exporters", "secret": "exporters"},
                "mirror": {"username": "mirror", "secret": "mirror"},
            },
        },
        "elasticsearch": {"hosts": ["http://elasticsearch:9200"]},
        "exporters": {"mirror": {"enabled": True}},
    }
    found = usernames(values)
    assert found["tapline-exporter-mirror"] == "mirror"
    assert found["tapline-exporter-elasticsearch"] == "exporters"
    assert found["tapline-workers"] == "anybody"
