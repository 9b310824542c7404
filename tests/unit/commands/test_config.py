import json
from pathlib import Path

import pytest
import yaml


def test_check_says_what_holds(tapline) -> None:
    Path("tapline.yaml").write_text("kafka: {prefix: other}\n")
    result = tapline("config", "check")
    assert result.code == 0
    assert result.out == "tapline.yaml: right, 2 values set, the rest are defaults\n"


def test_check_of_a_wrong_file_is_one_line_and_code_1(tapline) -> None:
    Path("tapline.yaml").write_text("kafka: {prefx: other}\n")
    result = tapline("config", "check")
    assert (result.code, result.out) == (1, "")
    assert result.err == "tapline: tapline.yaml:1: kafka.prefx is no known key: did you mean kafka.prefix?\n"


def test_dump_can_be_read_back_and_tells_sources(tapline, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tapline.yaml").write_text("kafka:\n  prefix: other\n")
    monkeypatch.setenv("TAPLINE_KAFKA__PASSWORD", "hunter2")
    result = tapline("config", "dump")
    assert result.code == 0
    assert "hunter2" not in result.out
    read = yaml.safe_load(result.out)
    assert read["kafka"]["prefix"] == "other"
    assert read["workers"]["processes"] == 2
    lines = dict(line.split("  # ") for line in result.out.splitlines() if "#" in line)
    sources = {" ".join(text.split()): source for text, source in lines.items()}
    assert sources["prefix: other"] == "tapline.yaml:2"
    assert sources["password: '********'"] == "TAPLINE_KAFKA__PASSWORD"
    assert sources["processes: 2"] == "default"


def test_dump_for_programs(tapline) -> None:
    rows = json.loads(tapline("config", "dump", "--json").out)
    assert {"key": "kafka.partitions", "value": 4, "source": "default"} in rows


def test_schema_is_json(tapline) -> None:
    assert json.loads(tapline("config", "schema").out)["$schema"].startswith("https://json-schema.org/")
