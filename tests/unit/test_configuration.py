import json
from pathlib import Path

import pytest

from tapline.configuration import MASK, load, schema
from topics.errors import TaplineError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def file(text: str) -> str:
    path = Path("tapline.yaml")
    path.write_text(text)
    return str(path)


def test_without_a_file_everything_is_a_default() -> None:
    loaded = load(environment={})
    assert loaded.configuration.kafka.bootstrap == "127.0.0.1:9092"
    assert {setting.source for setting in loaded.settings()} == {"default"}


def test_the_environment_overrides_the_file_and_each_value_knows_its_source() -> None:
    file("kafka:\n  bootstrap: a:1\n  partitions: 8\n")
    loaded = load(environment={"TAPLINE_KAFKA__BOOTSTRAP": "b:2"})
    assert (loaded.configuration.kafka.bootstrap, loaded.configuration.kafka.partitions) == ("b:2", 8)
    sources = {setting.key: setting.source for setting in loaded.settings()}
    assert sources["kafka.bootstrap"] == "TAPLINE_KAFKA__BOOTSTRAP"
    assert sources["kafka.partitions"] == "tapline.yaml:3"
    assert sources["kafka.prefix"] == "default"


def test_the_file_is_the_one_given_else_the_environments_else_the_folders() -> None:
    file("kafka: {prefix: folder}")
    Path("given.yaml").write_text("kafka: {prefix: given}")
    Path("named.yaml").write_text("kafka: {prefix: named}")
    named = {"TAPLINE_CONFIG": "named.yaml"}
    assert load("given.yaml", named).configuration.kafka.prefix == "given"
    assert load(None, named).configuration.kafka.prefix == "named"
    assert load(None, {}).configuration.kafka.prefix == "folder"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kafka:\n  bootstap: x\n", r"tapline.yaml:2: kafka.bootstap is no known key: did you mean kafka.bootstrap\?"),
        ("kafak:\n  bootstrap: x\n", r"tapline.yaml:1: kafak is no known key: did you mean kafka\?"),
        ("zzz: 1\n", r"tapline.yaml:1: zzz is no known key: known are kafka, "),
        (
            "kafka:\n  partitions: many\n",
            r"tapline.yaml:2: kafka.partitions: expected `int`, got `str` \(given: 'many'\)",
        ),
        ("services:\n  kafka_port: 70000\n", r"tapline.yaml:2: services.kafka_port: expected `int` <= 65535"),
        ("process:\n  log_level: loud\n", r"tapline.yaml:2: process.log_level: invalid enum value 'loud'"),
        ("kafka: 9092\n", r"tapline.yaml:1: kafka has to be a block of `key: value` lines"),
        ("- kafka\n", r"tapline.yaml:1: the file has to be a block"),
        ("kafka:\n  prefix: a\n  prefix: b\n", r"tapline.yaml:3: kafka.prefix is given twice, first at tapline.yaml:2"),
        ("kafka:\n  prefix: [\n", r"tapline.yaml:3: not YAML"),
        (
            "kafka:\n  prefix: !!python/name:os.system\n",
            r"tapline.yaml:2: kafka.prefix: could not determine a constructor",
        ),
        ("kafka: \x07\n", r"tapline.yaml: not YAML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line_and_what_would_be_right(text: str, message: str) -> None:
    file(text)
    with pytest.raises(TaplineError, match=message) as caught:
        load(environment={})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TAPLINE_KAFKA__BOOTSTAP", "x", r"TAPLINE_KAFKA__BOOTSTAP: .*did you mean kafka.bootstrap\?"),
        ("TAPLINE_KAFAK__BOOTSTRAP", "x", r"kafak is no known block: did you mean kafka\?"),
        ("TAPLINE_KAFKA__PARTITIONS", "x", r"TAPLINE_KAFKA__PARTITIONS: kafka.partitions: expected `int`"),
        ("TAPLINE_KAFKA__OPTIONS", "{", r"TAPLINE_KAFKA__OPTIONS: .* is not YAML"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(variable: str, value: str, message: str) -> None:
    with pytest.raises(TaplineError, match=message):
        load(environment={variable: value})


def test_values_of_the_environment_are_yaml_except_where_text_is_wanted() -> None:
    environment = {
        "TAPLINE_KAFKA__PARTITIONS": "8",
        "TAPLINE_KAFKA__PREFIX": "12",
        "TAPLINE_KAFKA__OPTIONS": "{linger.ms: '5'}",
        "TAPLINE_WORKERS__SCRIPTS": "[a, b]",
        "TAPLINE_CONFIG": "",
        "TAPLINE_CACHE": "/somewhere",
    }
    configuration = load(environment=environment).configuration
    assert configuration.kafka.partitions == 8
    assert configuration.kafka.prefix == "12"
    assert configuration.kafka.options == {"linger.ms": "5"}
    assert configuration.workers.scripts == ["a", "b"]


def test_secrets_are_masked_wherever_they_stand() -> None:
    file("kafka:\n  password: hunter2\n  options: {sasl.password: hunter3}\n  bootstrap: http://me:hunter4@host\n")
    shown = {setting.key: setting.value for setting in load(environment={}).settings()}
    assert shown["kafka.password"] == MASK
    assert shown["kafka.options"] == {"sasl.password": MASK}
    assert shown["kafka.bootstrap"] == f"http://{MASK}@host"
    assert "hunter" not in json.dumps(list(shown.values()))
    bare = {setting.key: setting.value for setting in load(environment={}).settings(masked=False)}
    assert bare["kafka.password"] == "hunter2"


@pytest.mark.parametrize("named", ["missing.yaml", "."])
def test_a_file_that_is_none_is_said(named: str) -> None:
    with pytest.raises(TaplineError, match="named by --config, is no file"):
        load(named, {})
    with pytest.raises(TaplineError, match="named by TAPLINE_CONFIG, is no file"):
        load(None, {"TAPLINE_CONFIG": named})


def test_a_file_that_is_no_text_is_said() -> None:
    Path("tapline.yaml").write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(TaplineError, match=r"cannot read tapline\.yaml: it is no UTF-8 text"):
        load(environment={})


def test_the_schema_describes_every_key_and_no_other() -> None:
    described = schema()
    definitions = described["$defs"]

    def keys(node: dict, prefix: str = "") -> set[str]:
        if "$ref" in node:
            node = definitions[node["$ref"].rpartition("/")[2]]
        assert node.get("additionalProperties") is False, prefix
        found = set()
        for name, child in node["properties"].items():
            if "$ref" in child:
                found |= keys(child, f"{prefix}{name}.")
            else:
                found.add(prefix + name)
        return found

    assert keys(described) == {setting.key for setting in load(environment={}).settings()}
