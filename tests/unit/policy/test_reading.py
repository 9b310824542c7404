"""Policy files: what they say, and where they are wrong."""

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import ClassVar

import pytest

from tapline.checks import Check, HostCheck, Threshold
from tapline.policy.entries import as_json, entries_of, laid_over, value_of
from tapline.policy.model import Policy
from tapline.policy.reading import Read, read_files, schema
from topics.errors import TaplineError
from topics.records import PolicyEntry

WHOLE = """\
pools:
  servers:
    members: [192.0.2.0/24, "2001:db8::1", "lab-*"]
    tags: [critical]
checks:
  syn_scan:
    enabled: true
    params: {threshold: 100}
    patience: {for_runs: 2}
    overrides:
      - match: {pool: servers}
        enabled: false
      - match: {host: 192.0.2.7}
        params: {threshold: 5000}
rules:
  upload:
    metric: bytes_out
    select: {network: 10.0.0.0/8}
    value: 1 GB
    period: 5 min
exclusions:
  scanner:
    alert: syn_*
    entity: 192.0.2.9
    until: 2026-12-31
    comment: ours
alerting:
  repeat_seconds: 10 min
"""


class SynScan(HostCheck):
    """Made for this test."""

    name = "syn_scan"

    class params(Threshold):  # noqa: N801 - as scripts declare them
        threshold: float = 256


CHECKS: dict[str, type[Check]] = {"syn_scan": SynScan}


def read(tmp_path: Path, text: str, checks: dict[str, type[Check]] | None = CHECKS) -> Read:
    path = tmp_path / "policy.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return read_files([path], checks)


def test_all_sections_are_read_with_units_and_lines(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    policy = found.policy
    assert policy.pools["servers"].tags == ("critical",)
    assert policy.checks["syn_scan"].overrides[1].params == {"threshold": 5000}
    assert (policy.rules["upload"].value, policy.rules["upload"].period) == (1e9, 300)
    assert policy.rules["upload"].name == "upload"
    assert policy.exclusions["scanner"].until == 1798675200000000
    assert policy.alerting.repeat_seconds == 600
    assert found.places["rules/upload"].endswith("policy.yaml:16")


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert read_files([tmp_path / "none.yaml"]).policy == Policy()


def test_a_later_file_adds_and_replaces_by_entry(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("pools: {a: {members: [192.0.2.1]}, b: {}}")
    second.write_text("pools: {b: {members: [192.0.2.2]}}")
    assert {name: pool.members for name, pool in read_files([first, second]).policy.pools.items()} == {
        "a": ("192.0.2.1",),
        "b": ("192.0.2.2",),
    }


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("pool: {}", 1, "pool is no known section: did you mean pools?"),
        ("acknowledgements: {}", 1, "acknowledgements is no known section"),
        ("pools:\n  a: {members: [10.0.0.0/33]}", 2, "'10.0.0.0/33' is no network"),
        ("pools:\n  a: {memberz: []}", 2, "memberz is no known key: did you mean members?"),
        ("pools:\n  a: {}\n  a: {}", 3, "given twice"),
        ("checks:\n  syn_scam: {}", 2, "no check syn_scam: did you mean syn_scan?"),
        ("checks:\n  syn_scan:\n    enabled: yess", 3, "enabled: expected `bool | null`, got `str`"),
        (
            "checks:\n  syn_scan:\n    params:\n      treshold: 5",
            4,
            "treshold is no known key: did you mean threshold?",
        ),
        ("checks:\n  syn_scan:\n    params:\n      threshold: many", 4, "threshold: expected `float`, got `str`"),
        ("checks:\n  syn_scan:\n    overrides:\n      - match: {pool: x}", 4, "there is no pool 'x'"),
        ("checks:\n  syn_scan:\n    overrides:\n      - hook: mins", 4, "hook has to be one of min"),
        ("checks:\n  syn_scan:\n    overrides:\n      - match:\n          host: here", 5, "'here' is no address"),
        ("checks:\n  syn_scan:\n    patience:\n      for_run: 1", 4, "for_run is no known key: did you mean for_runs?"),
        ("rules:\n  r:\n    value: 5 apples", 3, "'apples' is no unit"),
        ("rules:\n  r:\n    period: 7 min", 3, "1 min, 5 min, 1 h or 1 d, not 420 seconds"),
        ("rules:\n  r:\n    measure: volum", 3, "measure: invalid enum value 'volum'"),
        ("rules:\n  r:\n    value: .inf", 3, "value has to be a finite number"),
        ("rules:\n  r:\n    floor: -1", 3, "floor has to be 0 or more"),
        ("rules:\n  r:\n    top: 0", 3, "top has to lie between 1 and 1000"),
        ("rules:\n  r:\n    measure: anomaly\n    learn_periods: 1", 4, "learn_periods has to lie between 2 and 288"),
        ("rules:\n  r:\n    measure: anomaly\n    method: holt_winters", 4, "holt_winters needs a season of 2 to 288"),
        (
            "rules:\n  r:\n    measure: anomaly\n    method: holt_winters\n    season: 1 d",
            5,
            "holt_winters needs a season of 2 to 288 periods, as `season: 1 d` with `period: 5 min`",
        ),
        ("rules:\n  r:\n    measure: ratio", 3, "say `other_metric`"),
        ("rules:\n  r:\n    select: {network: wide}", 3, "'wide' is no network"),
        ("rules:\n  r:\n    select: {tag: blue}", 3, "no pool has the tag 'blue'"),
        ("rules:\n  r: 5", 2, "has to be a block"),
        ("exclusions:\n  e: {until: someday}", 2, "is no date"),
        ("alerting:\n  repeat_second: 5", 2, "did you mean repeat_seconds?"),
        ("rules: [", 1, "not YAML"),
        ("- rules", 1, "the file has to be a block"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_would_be_right(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    with pytest.raises(TaplineError, match=re.escape(said)) as raised:
        read(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path}/policy.yaml:{line}: ")
    assert "\n" not in str(raised.value)


def test_the_schema_describes_what_is_read() -> None:
    found = schema()
    rule = found["$defs"]["Rule"]["properties"]
    assert rule["value"]["anyOf"][1] == {"type": "string"}
    assert "name" not in found["$defs"]["Rule"]["required"]
    json.dumps(found)


def test_entries_stand_above_the_files_and_survive_their_record(tmp_path: Path) -> None:
    policy = read(tmp_path, WHOLE).policy
    records = [PolicyEntry(id="", time=0, key=key, value=as_json(value)) for key, value in entries_of(policy)]
    values = {record.key: value_of(record) for record in records}
    assert laid_over(Policy(), {key: value for key, value in values.items() if value is not None}) == policy
    changed = PolicyEntry(id="", time=0, key="rules/upload", value='{"value": "2 GB"}')
    value = value_of(changed)
    assert value is not None
    assert laid_over(policy, {"rules/upload": value}).rules["upload"].value == 2e9


class TestNames:
    wrong: ClassVar = ["", "rules", "rules/", "rulez/x", "alerting/x"]

    @pytest.mark.parametrize("key", wrong)
    def test_a_path_names_a_section_and_an_entry(self, key: str) -> None:
        with pytest.raises(ValueError, match="names no entry"):
            value_of(PolicyEntry(id="", time=0, key=key, value="{}"))
