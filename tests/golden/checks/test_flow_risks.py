"""nDPI's flow risks: a check for each that the engine knows, by its name."""

from functools import cache

import pytest

from capture.nfstream_engine.risks import NAMES
from tapline.testing import Result, run
from tests.golden.checks.made import CHECKS, alerts, flow
from workers.scripting.scripts import load_files

FILE = CHECKS / "flow_risks.py"
SCORES = {script.name: script.monitor.score for script in load_files([FILE], {}).scripts}  # type: ignore[attr-defined]


@cache
def one_flow_a_risk() -> Result:
    return run(FILE, records=[flow(risks=[name]) for name in SCORES])


def test_every_risk_that_the_engine_knows_has_its_check() -> None:
    assert set(NAMES.values()) - SCORES.keys() == set()


@pytest.mark.parametrize("risk", SCORES)
def test_a_risk_is_told_once_with_its_score(risk: str) -> None:
    result = one_flow_a_risk()
    assert result.errors == []
    (alert,) = alerts(result, risk)
    severity = {10: 3, 50: 4, 100: 5, 150: 5}[SCORES[risk]]
    assert (alert.type, alert.score, alert.severity) == (risk, SCORES[risk], severity)


def test_the_worst_of_several_risks_is_told_and_the_others_explain_the_score() -> None:
    result = run(FILE, records=[flow(risks=["numeric_ip_host", "possible_exploit", "tls_weak_cipher"])])
    assert [alert.type for alert in result.alerts] == ["possible_exploit"]
    statuses = {each.name: each.score for each in result.annotations if each.kind == "status"}
    assert statuses == {"numeric_ip_host": 10, "possible_exploit": 150, "tls_weak_cipher": 100}


def test_a_flow_without_a_risk_is_no_business_of_theirs() -> None:
    assert run(FILE, records=[flow()]).alerts == []
