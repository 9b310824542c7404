"""docker-compose.yml and its overlays: every knob is explained, every container limited, every port on loopback."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.settings import ConsoleSettings, OpenIdSettings

ROOT = Path(__file__).parents[2]
BASE = ROOT / "docker-compose.yml"
OVERLAYS = sorted((ROOT / "compose").glob("*.yml"))
OTHERS = ("kafka", "elasticsearch", "kibana", "prometheus", "grafana")
"""Services whose images are not ours."""


class Loader(yaml.SafeLoader):
    """YAML with the tags by which an overlay replaces what it would add to."""


def replaced(loader: Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node, deep=True)


Loader.add_multi_constructor("!", replaced)


def services(path: Path) -> dict[str, dict[str, Any]]:
    """The services of a file, with what they extend."""
    loaded = yaml.load(path.read_text(encoding="utf-8"), Loader)["services"]
    base = yaml.load(BASE.read_text(encoding="utf-8"), Loader)["services"]
    return {
        name: {**(base[service["extends"]["service"]] if "extends" in service else base.get(name, {})), **service}
        for name, service in loaded.items()
    }


def knobs(path: Path) -> dict[str, str]:
    """The variables of a file and their defaults."""
    text = path.read_text(encoding="utf-8").replace("$$", "")
    # The default of one may be another: the innermost first.
    found: dict[str, str] = {}
    while match := re.search(r"\$\{(\w+):?([-?])([^${}]*)\}", text):
        name, kind, default = match.groups()
        found[name] = "" if kind == "?" else default
        text = text.replace(match[0], default)
    assert "${" not in text
    return found


def explained() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    stated = dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
    return {name: re.sub(r"\$\{(\w+)\}", lambda match: stated[match[1]], value) for name, value in stated.items()}


@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=lambda path: path.name)
def test_every_knob_stands_in_the_example_with_its_default(path: Path) -> None:
    stated = explained()
    assert {name: stated.get(name) for name in knobs(path)} == knobs(path)


def test_the_example_has_no_knob_that_does_nothing() -> None:
    used = {name for path in (BASE, *OVERLAYS) for name in knobs(path)}
    assert set(explained()) == used


@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=lambda path: path.name)
def test_every_container_is_limited(path: Path) -> None:
    for name, service in services(path).items():
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", ["NET_RAW"]) == ["NET_RAW"], name
        assert service["security_opt"] == ["no-new-privileges:true"] or name == "interfaces", name
        assert {"mem_limit", "cpus", "pids_limit", "restart"} <= service.keys(), name
        assert service.get("read_only") or name in {"elasticsearch", "kibana"}, name
        assert "privileged" not in service
        assert "user" not in service or service["user"] != "root"
        if name.partition("-")[0] not in OTHERS:
            assert service["build"]["target"] in {"tapline", "capture"}, name


@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=lambda path: path.name)
def test_every_port_is_on_loopback_unless_asked(path: Path) -> None:
    for name, service in services(path).items():
        for port in service.get("ports", ()):
            assert port.startswith("${BIND_ADDRESS:-127.0.0.1}:"), (name, port)


def test_no_password_has_a_default() -> None:
    for path in (BASE, *OVERLAYS):
        secrets = {name: default for name, default in knobs(path).items() if "PASSWORD" in name or "SECRET" in name}
        assert not any(secrets.values())


def test_every_setting_of_the_console_can_be_given() -> None:
    given = services(BASE)["console"]["environment"]
    kept = {"metrics_port", "timeout"}
    settings = {name for name in ConsoleSettings.__struct_fields__ if name not in kept | {"openid"}}
    settings |= {f"openid__{name}" for name in OpenIdSettings.__struct_fields__}
    assert {f"TAPLINE_CONSOLE__{name.upper()}" for name in settings} <= given.keys()


def test_each_component_has_a_user_of_its_own_where_kafka_is_secured() -> None:
    secured = services(ROOT / "compose" / "secured.yml")
    ours = {name for name in services(BASE) if name not in OTHERS}
    assert ours <= secured.keys()
    for name in ours:
        assert secured[name]["environment"]["TAPLINE_KAFKA__USERNAME"] == name
        assert {"source": f"{name}.password", "target": "password"} in secured[name]["secrets"]
        assert f"{name}.password" in secured["users"]["secrets"]
        assert f"=User:{name} " in f"{secured['users']['command'][-1]} ".replace("\n", " ")


def test_grafana_is_given_the_prometheus_and_the_dashboard_that_there_are() -> None:
    mounted = dict(
        volume.split(":")[1::-1] for volume in services(ROOT / "compose" / "watched.yml")["grafana"]["volumes"]
    )
    provisioning = Path("/etc/grafana/provisioning")
    (source,) = read(mounted[str(provisioning / "datasources" / "tapline.yml")])["datasources"]
    assert (source["type"], source["access"], source["url"]) == ("prometheus", "proxy", "http://prometheus:9090")
    (provider,) = read(mounted[str(provisioning / "dashboards" / "tapline.yml")])["providers"]
    assert provider["type"] == "file"
    dashboard = read(mounted[str(Path(provider["options"]["path"]) / "tapline.json")])
    (variable,) = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", source["type"])
    assert dashboard["panels"]


def read(name: str) -> Any:
    """A file of the repository, as YAML, of which JSON is a part."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
