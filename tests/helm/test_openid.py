"""The chart's console with an OpenID Connect provider."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from console.security.openid import OpenId
from console.settings import OpenIdSettings
from tapline.configuration import load
from tests.helm.chart import CHART, Manifest, configuration, example, manifests, named, rendered

MINIMAL = yaml.safe_load(example("minimal").read_text(encoding="utf-8"))
ISSUER = "https://login.example.org/realms/net"
ASKED: dict[str, Any] = {
    "issuer": ISSUER,
    "clientId": "tapline",
    "secret": "console-openid",
    "nameClaim": "email",
    "roleClaim": "roles",
    "administrators": ["net-admins"],
    "operators": ["on call, by day", "yes"],
}


def with_console(**openid: Any) -> dict[str, Any]:
    return {**MINIMAL, "console": {"enabled": True, "openid": openid}}


def variables(found: list[Manifest]) -> dict[str, Manifest]:
    """The environment of the console."""
    pod = named(found, "StatefulSet", "tapline-console")["spec"]["template"]["spec"]
    return {each["name"]: each for each in pod["containers"][0]["env"]}


def settings(found: list[Manifest], folder: Path) -> OpenIdSettings:
    """What the console of these manifests goes by."""
    file = folder / "tapline.yaml"
    file.write_text(configuration(found), encoding="utf-8")
    given = {name: each["value"] for name, each in variables(found).items() if "value" in each}
    return load(str(file), given).configuration.console.openid


def test_the_console_gets_what_the_values_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = manifests(with_console(**ASKED))
    loaded = settings(found, tmp_path)
    assert loaded == OpenIdSettings(
        issuer=ISSUER,
        client_id="tapline",
        client_secret="env:OPENID_CLIENT_SECRET",
        name_claim="email",
        role_claim="roles",
        administrators=["net-admins"],
        operators=["on call, by day", "yes"],
    )
    monkeypatch.setenv("OPENID_CLIENT_SECRET", "of the provider")
    OpenId(loaded, 1.0).check()


def test_the_client_s_secret_comes_from_a_secret_and_stands_nowhere_else() -> None:
    found = variables(manifests(with_console(**ASKED)))
    assert found["OPENID_CLIENT_SECRET"]["valueFrom"] == {
        "secretKeyRef": {"name": "console-openid", "key": "client-secret"}
    }
    made = {**with_console(**ASKED), "secrets": {"console-openid": {"client-secret": "of-the-provider"}}}
    found = variables(manifests(made))
    assert found["OPENID_CLIENT_SECRET"]["valueFrom"]["secretKeyRef"]["name"] == "tapline-console-openid"
    text = rendered(made)
    assert text.count("of-the-provider") == sum(
        "of-the-provider" in each["stringData"].values() for each in manifests(made) if each["kind"] == "Secret"
    )


def test_every_setting_of_a_provider_is_a_value_of_the_chart() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["console"]["openid"]
    settings = {field.name for field in msgspec.structs.fields(OpenIdSettings)}
    in_values = {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in values}
    # The secret itself is in no value: what names it is.
    assert in_values - {"secret", "secret_key"} == settings - {"client_secret"}


def test_a_public_client_needs_no_secret(tmp_path: Path) -> None:
    found = manifests(with_console(**{**ASKED, "secret": ""}))
    assert "OPENID_CLIENT_SECRET" not in variables(found)
    OpenId(settings(found, tmp_path), 1.0).check()


def test_without_a_provider_nothing_is_said_of_one() -> None:
    assert not [name for name in variables(manifests(with_console())) if "OPENID" in name]


@pytest.mark.parametrize(("issuer", "port"), [(ISSUER, 443), ("https://login.example.org:8443/net", 8443)])
def test_the_console_may_reach_the_provider(issuer: str, port: int) -> None:
    found = manifests(with_console(**{**ASKED, "issuer": issuer}))
    policy = named(found, "NetworkPolicy", "tapline-console")["spec"]
    assert policy["egress"] == [{"ports": [{"protocol": "TCP", "port": port}]}]
    assert "Egress" in policy["policyTypes"]
