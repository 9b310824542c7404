"""The alert rules: each fires where it has to, and stays quiet where all is well."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).parent / "rules.test.yaml"
MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="this needs promtool (apt install prometheus)")


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_and_the_example_of_a_configuration_can_be_used() -> None:
    assert "SUCCESS" in promtool("check", "config", MONITORING / "prometheus.yml")


def test_each_rule_fires_where_it_has_to_and_nowhere_else() -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS)


def test_each_rule_has_both_tests_and_says_what_to_do() -> None:
    rules = yaml.safe_load((MONITORING / "rules.yaml").read_text("utf-8"))["groups"][0]["rules"]
    names = [rule["alert"] for rule in rules]
    well, wrong = (test["alert_rule_test"] for test in yaml.safe_load(TESTS.read_text("utf-8"))["tests"])
    assert [test["alertname"] for test in well] == names
    assert [test["alertname"] for test in wrong if test["exp_alerts"]] == names
    assert all(rule["annotations"].keys() == {"summary", "fix"} for rule in rules)
