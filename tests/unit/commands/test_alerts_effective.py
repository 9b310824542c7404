"""`tapline alerts effective`: which rules and settings hold for an entity, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapline.commands import run

POLICY = """
pools:
  servers: {members: [192.0.2.0/24], tags: [critical]}
rules:
  upload: {metric: bytes_out, value: 1 GB, period: 5 min}
  upload/servers: {metric: bytes_out, value: 20 GB, period: 5 min, select: {pool: servers}}
  upload/backup: {select: {host: 192.0.2.9}, enabled: false}
  silent: {measure: absence, select: {host: 192.0.2.9}}
  app: {group: Apps, measure: anomaly, select: {name: "TLS*"}}
  net: {group: Subnets, measure: change, value: 100}
checks:
  busy:
    params: {threshold: 10}
    overrides:
      - {match: {tag: critical}, hook: min, params: {threshold: 20}}
"""
CHECK = '''
"""Hosts that are busy."""

from tapline.checks import HostCheck, Threshold


class Busy(HostCheck):
    """Too much."""

    name = "busy"
    params = Threshold
    default_value = "busy;gt;5"

    def all(self, entity):
        self.check_threshold(entity, entity.value("bytes"))
'''


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "scripts" / "enabled").mkdir(parents=True)
    (tmp_path / "scripts" / "enabled" / "busy.py").write_text(CHECK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def effective(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert run(["alerts", "effective", *arguments, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def outcomes(found: dict[str, object]) -> dict[str, str]:
    return {row["rule"]: row["outcome"] for row in found["rules"]}  # type: ignore[index, attr-defined]


def test_the_most_specific_rule_is_asked_and_the_others_say_who_won(capsys: pytest.CaptureFixture[str]) -> None:
    found = effective(capsys, "192.0.2.7")
    assert (found["entity"], found["kind"], found["pools"]) == ("192.0.2.7", "host", ["servers"])
    assert outcomes(found) == {
        "upload": "upload/servers is more specific",
        "upload/servers": "asked",
        "upload/backup": "not for it",
        "silent": "not for it",
    }


def test_a_rule_that_is_off_exempts_its_host(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcomes(effective(capsys, "192.0.2.9")) == {
        "upload": "upload/backup is more specific, and off",
        "upload/servers": "upload/backup is more specific, and off",
        "upload/backup": "off",
        "silent": "asked",
    }


def test_settings_of_checks_come_with_the_layers_that_had_a_say(capsys: pytest.CaptureFixture[str]) -> None:
    checks = effective(capsys, "192.0.2.7")["checks"]
    found = {row["hook"]: (row["params"]["threshold"], row["because_of"]) for row in checks}  # type: ignore[attr-defined]
    assert found["min"] == (20, ["default", "checks/busy", "checks/busy/overrides[0]"])
    assert found["hour"] == (10, ["default", "checks/busy"])


def test_networks_and_keys_of_other_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcomes(effective(capsys, "10.0.0.0/24")) == {"net": "asked"}
    assert outcomes(effective(capsys, "TLS.Google")) == {"app": "asked"}
    assert outcomes(effective(capsys, "DNS", "--group", "apps")) == {"app": "not for it"}


def test_people_are_told_in_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "effective", "198.51.100.1"]) == 0
    printed = capsys.readouterr().out
    assert "host 198.51.100.1, in no pool" in printed
    assert "bytes_out in 5 min > 1,000,000,000" in printed


def test_a_policy_that_cannot_be_used_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "policy.yaml").write_text("rules:\n  r: {measure: anomaly, learn_periods: 1}\n", encoding="utf-8")
    assert run(["alerts", "effective", "192.0.2.7"]) == 1
    said = capsys.readouterr().err
    assert said == "tapline: policy.yaml:2: rules.r: learn_periods has to lie between 2 and 288\n"
