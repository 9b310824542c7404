"""`tapline export setup` and `export dashboards` as a user runs them; Kibana is a stand-in, Elasticsearch is not."""

from __future__ import annotations

import msgspec
from click.testing import CliRunner, Result

from exporters.kibana.saved_objects import saved_objects
from tapline.commands import cli
from tests.kibana.stand_in import StandIn, kibana

OBJECTS = saved_objects()


def run(elasticsearch: str, *arguments: str) -> Result:
    environment = {"TAPLINE_CONFIG": "", "TAPLINE_ELASTICSEARCH__HOSTS": f"['{elasticsearch}']"}
    if elasticsearch.endswith(":1"):
        environment["TAPLINE_ELASTICSEARCH__START_TIMEOUT"] = "0.1"
    return CliRunner().invoke(cli, ["export", *arguments], env=environment)


def test_setup_says_what_became_of_each_object(elasticsearch: str) -> None:
    with kibana(StandIn()) as stand_in:
        first = run(elasticsearch, "setup", "--kibana", stand_in.url)
        second = run(elasticsearch, "setup", "--kibana", stand_in.url, "--json")
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    for each in OBJECTS:
        assert any(line.split()[:1] == [each["id"]] and line.endswith("created") for line in first.output.splitlines())
    assert first.output.endswith(
        f"Kibana at {stand_in.url}, space default: {len(OBJECTS)} objects created, 0 overwritten, 0 refused.\n"
    )
    said = msgspec.json.decode(second.output)
    assert said["changes"] == [], "Elasticsearch had them already"
    assert [each["id"] for each in said["overwritten"]] == [each["id"] for each in OBJECTS]
    assert said["created"] == said["refused"] == []


def test_a_refused_object_is_told_of_and_fails_the_command(elasticsearch: str) -> None:
    with kibana(StandIn(refuses={"tapline-dns": {"type": "unknown", "message": "no room"}})) as stand_in:
        result = run(elasticsearch, "setup", "--kibana", stand_in.url)
    assert result.exit_code == 1
    assert any(
        line.split() == ["tapline-dns", "dashboard", "refused:", "no", "room"] for line in result.output.splitlines()
    )
    assert result.output.endswith(f"{len(OBJECTS) - 1} objects created, 0 overwritten, 1 refused.\n")


def test_setup_without_a_kibana_puts_the_templates_alone(elasticsearch: str) -> None:
    assert run(elasticsearch, "setup").exit_code == 0
    again = run(elasticsearch, "setup")
    assert again.exit_code == 0
    assert again.output.startswith("Elasticsearch has all of it already.\nLifecycle: this server has no lifecycle")


def test_nothing_is_imported_where_elasticsearch_does_not_answer() -> None:
    with kibana(StandIn()) as stand_in:
        result = run("http://127.0.0.1:1", "setup", "--kibana", stand_in.url)
    assert result.exit_code == 1
    assert "cannot reach Elasticsearch" in str(result.exception)
    assert stand_in.asked == [("GET", "/api/status")]


def test_the_file_holds_all_objects() -> None:
    result = run("", "dashboards")
    assert result.exit_code == 0
    assert [msgspec.json.decode(line) for line in result.output.splitlines()] == OBJECTS
