"""The real Elasticsearch 8 with security and TLS: the roles of the documentation are enough, and no less is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from elasticsearch import AuthorizationException

from exporters.elasticsearch.connection import client, connect
from exporters.elasticsearch.exporter import Exporter
from exporters.elasticsearch.server import backing_indices
from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.commands import cli
from tapline.commands.holdings import Holdings
from tests.docs.pages import ROOT, blocks
from tests.integration.elasticsearch_8 import (
    ADMIN,
    PASSWORD,
    SERVICE_TOKEN,
    SecuredElasticsearch,
    secured_elasticsearch,
)
from tests.integration.exporters.lab import Lab
from tests.unit.exporters.samples import SAMPLES, flow
from topics.catalog import ALERT_STATE, DEAD, FLOW
from topics.errors import TaplineError

PAGE = ROOT / "docs/how-to/secure-elasticsearch.md"
NEEDED = ("monitor", "create_doc", "auto_configure", "index")
"""What an exporter needs."""


def documented_roles() -> dict[str, dict[str, Any]]:
    """The roles as the page shows them, by name."""
    (block,) = [each for each in blocks(PAGE) if each.language == "json"]
    roles: dict[str, dict[str, Any]] = msgspec.json.decode(block.text)["roles"]
    return roles


def without(role: dict[str, Any], privilege: str) -> dict[str, Any]:
    """A role without one of its privileges."""
    return {
        "cluster": [each for each in role["cluster"] if each != privilege],
        "indices": [
            each | {"privileges": [one for one in each["privileges"] if one != privilege]} for each in role["indices"]
        ],
    }


def all_roles() -> dict[str, dict[str, Any]]:
    """The documented roles, and those of exporters that lack something."""
    roles = documented_roles()
    return roles | {f"lacks-{each}": without(roles["tapline-exporter"], each) for each in NEEDED}


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredElasticsearch]:
    """An Elasticsearch with a user of each of these roles, named like it."""
    with secured_elasticsearch(all_roles()) as engine:
        yield engine


@pytest.fixture
def lab(kafka: str, secured: SecuredElasticsearch) -> Iterator[Lab]:
    name, password = ADMIN
    made = Lab(kafka, secured.address, user=name, password=password, ca_file=str(secured.ca_file))
    yield made
    made.stop()


def of(lab: Lab, user: str) -> ElasticsearchSettings:
    """The settings of a user with one of the documented roles."""
    return lab.with_settings(user=user, password=PASSWORD)


def run(lab: Lab, user: str, tmp_path: Path, *arguments: str, replicas: int = 0) -> Result:
    """A command of `tapline export` by such a user, whose password is in a file."""
    file = tmp_path / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    environment = {
        "CONFIG": "",
        "ELASTICSEARCH__HOSTS": f"{lab.settings.hosts}",
        "ELASTICSEARCH__NAMESPACE": lab.settings.namespace,
        "ELASTICSEARCH__CA_FILE": lab.settings.ca_file,
        "ELASTICSEARCH__USER": user,
        "ELASTICSEARCH__PASSWORD_FILE": str(file),
        "ELASTICSEARCH__REPLICAS": str(replicas),
    }
    return CliRunner().invoke(
        cli, ["export", *arguments], env={f"TAPLINE_{name}": value for name, value in environment.items()}
    )


def test_each_works_with_the_role_for_it(lab: Lab, tmp_path: Path) -> None:
    assert run(lab, "tapline-setup", tmp_path, "setup").exit_code == 0
    checked = run(lab, "tapline-setup", tmp_path, "check", "--json")
    assert checked.exit_code == 0, checked.output
    assert msgspec.json.decode(checked.output) == {"versions": ["8.19.21"], "lifecycle": False, "differences": []}

    for topic, record in SAMPLES:
        lab.publish(topic, [record])
    lab.export(of(lab, "tapline-exporter"))
    assert lab.dead_letters() == [record for topic, record in SAMPLES if topic is DEAD]
    expected = {}
    for topic, _ in SAMPLES:
        expected[lab.stream_name(topic)] = sum(each is topic for each, _ in SAMPLES)
    lab.client.indices.refresh(index=[*expected])
    with Holdings(of(lab, "tapline-reader")) as holdings:
        assert holdings.documents() == expected

    # Sent again, they are there once.
    lab.publish(FLOW, [flow(0)])
    lab.publish(FLOW, [flow(0)])
    lab.export(of(lab, "tapline-exporter"))
    again = lab.count(FLOW)
    lab.publish(FLOW, [flow(0)])
    lab.export(of(lab, "tapline-exporter"))
    assert lab.count(FLOW) == again

    lab.client.indices.rollover(alias=lab.stream_name(FLOW))
    told = run(lab, "tapline-pruner", tmp_path, "prune", "--json")
    assert told.exit_code == 0, told.output
    assert sum(each["documents"] for each in msgspec.json.decode(told.output)["indices"]) > 0


def test_no_role_may_do_what_is_anothers(lab: Lab, tmp_path: Path) -> None:
    lab.publish(FLOW, [flow(0)])
    lab.export()
    name = lab.stream_name(FLOW)
    (index,) = backing_indices(lab.client, [name])[name]
    states = lab.stream_name(ALERT_STATE)
    document = {"@timestamp": 0}

    def forbidden(user: str, *acts: str) -> None:
        with client(of(lab, user)) as made:
            does = {
                "read": lambda: made.search(index=name),
                "create": lambda: made.create(index=name, id="x", document=document),
                "overwrite": lambda: made.index(index=states, document=document),
                "delete": lambda: made.indices.delete(index=index),
                "roll over": lambda: made.indices.rollover(alias=name),
                "templates": lambda: made.indices.put_index_template(name="x", index_patterns=["x"]),
                "users": lambda: made.security.put_user(username="x", password=PASSWORD, roles=["superuser"]),
                "elsewhere": lambda: made.create(index="elsewhere", id="x", document=document),
            }
            for act in acts:
                with pytest.raises(AuthorizationException):
                    does[act]()

    forbidden("tapline-exporter", "read", "delete", "roll over", "templates", "users", "elsewhere")
    forbidden("tapline-reader", "create", "overwrite", "delete", "roll over", "templates", "users", "elsewhere")
    forbidden("tapline-setup", "read", "create", "overwrite", "users", "elsewhere")
    forbidden("tapline-pruner", "create", "overwrite", "templates", "users", "elsewhere")

    result = run(lab, "tapline-exporter", tmp_path, "setup", replicas=1)
    assert result.exit_code == 1
    assert "manage_index_templates" in str(result.exception)


@pytest.mark.parametrize("privilege", NEEDED)
def test_an_exporter_that_lacks_a_privilege_names_it(lab: Lab, privilege: str) -> None:
    lab.publish(FLOW, [flow(0)])
    lab.flush()
    with pytest.raises(TaplineError) as caught:
        Exporter(lab.kafka, of(lab, f"lacks-{privilege}")).start()
    assert privilege in str(caught.value)
    assert "\n" not in str(caught.value)
    assert lab.dead_letters() == []


def test_credentials_that_are_wrong_are_told_of(lab: Lab) -> None:
    with pytest.raises(TaplineError, match=r"refuses the credentials \(401 .*set elasticsearch\.user") as caught:
        connect(lab.with_settings(password="wrong-password"))
    assert "wrong-password" not in str(caught.value)


def test_a_bearer_token_and_the_fingerprint_of_the_certificate_are_taken(
    lab: Lab, secured: SecuredElasticsearch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{SERVICE_TOKEN}\n", encoding="ascii")
    by_token = lab.with_settings(
        user="",
        password="",
        bearer_token_file=str(tmp_path / "token"),
        ca_file="",
        certificate_fingerprint=secured.fingerprint,
    )
    connect(by_token).close()
    with pytest.raises(TaplineError, match=r"no trusted connection .*set elasticsearch\.certificate_fingerprint$"):
        connect(msgspec.structs.replace(by_token, certificate_fingerprint="ab" * 32))
