"""The demonstration, twice, with engines of its own: from nothing to the table."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.commands.conftest import CommandLine
from tests.integration.engines import engine_folder


@pytest.fixture(scope="module")
def machine() -> Iterator[CommandLine]:
    """A folder in which nothing was started yet, and free ports."""
    with engine_folder() as folder:
        tapline = CommandLine(
            folder,
            {
                "TAPLINE_SERVICES__KAFKA_PORT": "0",
                "TAPLINE_SERVICES__KAFKA_CONTROLLER_PORT": "0",
                "TAPLINE_SERVICES__ELASTICSEARCH_PORT": "0",
                "TAPLINE_SERVICES__ELASTICSEARCH_TRANSPORT_PORT": "0",
            },
        )
        try:
            yield tapline
        finally:
            tapline("down")


def test_what_goes_in_comes_out_and_a_second_run_adds_nothing(machine: CommandLine) -> None:
    first = machine("demo", "--json", seconds=400)
    assert first.returncode == 0, first.stdout + first.stderr
    result = json.loads(first.stdout)
    rows = {row["kind"]: row for row in result["rows"]}
    assert rows["flow"]["announced"] == rows["flow"]["received"] == rows["flow"]["held"] == 1003
    assert rows["bytes"]["announced"] == rows["bytes"]["received"] == rows["bytes"]["held"] == 803_840
    told = sum(alert["count"] for alert in result["alerts"])
    assert rows["alerts told"]["held"] == rows["alerts told"]["received"] == told > 0
    assert rows["alert"]["announced"] == rows["alert"]["received"] == result["outcomes"]["received"] >= told
    assert rows["alerts judged"]["announced"] == rows["alerts judged"]["received"]
    assert result["hosts"][0]["key"] == "198.51.100.20"
    assert result["resident_bytes"] < 2.5 * (1 << 30)

    # What it prints for people is in the README, whose commands are run.
    again = machine("demo", "--json", seconds=200)
    assert again.returncode == 0, again.stdout + again.stderr
    second = json.loads(again.stdout)
    assert second["rows"] == result["rows"]
    assert second["hosts"] == result["hosts"]

    status = machine("--config", ".tapline/demo/tapline.yaml", "status")
    assert status.returncode == 0, status.stderr
    assert status.stdout.count(" ready ") == 2
    assert Path(machine.folder, ".tapline/demo/fdetails.flow-0").is_file()

    machine.environment["PATH"] = str(machine.folder)
    without_tshark = machine("demo")
    assert without_tshark.returncode == 1
    assert without_tshark.stderr.startswith("tapline: the demo ran here with tshark before")
    assert without_tshark.stderr.count("\n") == 1
