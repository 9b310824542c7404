"""What people do about alerts in the console is what they do by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.console.lab import Lab


def test_an_alert_says_why(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.engage(
        type="syn_scan",
        message="many",
        entity="192.0.2.1",
        entity_kind="host",
        severity=6,
        value=300.0,
        threshold=256.0,
        script="syn_scan",
        configuration="checks/syn_scan/overrides[0]",
        evidence=["f1"],
        count=4,
    )
    page = lab.client("viewer").get("/alerts/e1").text
    for text in ("critical", "300", "256", "checks/syn_scan/overrides[0]", 'href="/flows/f1"', "4 times"):
        assert text in page
    assert "I have seen it" not in page, "a viewer is offered nothing to change"
    assert "I have seen it" in lab.client("operator").get("/alerts/e1").text


def test_engaged_alerts_are_filtered_and_the_most_severe_first(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    states = lab.console.standing._engaged
    for number, severity in enumerate((3, 7, 5)):
        lab.engage(type=f"t{number}", message="m", entity="192.0.2.1", severity=severity)
        states[str(number)] = states.pop("c1")
    client = lab.client("viewer")
    found = client.get("/api/alerts/engaged").json()["alerts"]
    assert [alert["type"] for alert in found] == ["t1", "t2", "t0"]
    found = client.get("/api/alerts/engaged", params={"severity": 5, "entity": "192.0.2.1"}).json()["alerts"]
    assert [alert["type"] for alert in found] == ["t1", "t2"]
    assert client.get("/api/alerts/engaged", params={"entity": "192.0.2.9"}).json()["total"] == 0


def test_an_exclusion_is_set_and_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    written = lab.written(monkeypatch)
    client = lab.client("operator")
    form = {"alert": "short-ssh", "entity": "192.0.2.0/24", "port": "22", "lasting": "12 h", "comment": "known"}
    answer = client.post("/alerts/exclusions", data=form)
    assert answer.status_code == 303
    ((path, text),) = written
    value = json.loads(text)
    assert path.startswith("exclusions/")
    assert (value["alert"], value["entity"], value["port"]) == ("short-ssh", "192.0.2.0/24", 22)
    assert value["author"] == "operator"
    assert value["until"] > 0
    (listed,) = client.get("/api/exclusions").json()
    assert listed["fits"] == {"alert": "short-ssh", "entity": "192.0.2.0/24", "port": "22"}
    assert client.post("/api/exclusions", json={"alert": "short-ssh", "entity": "192.0.2.0/24", "port": 22}).json()[
        "in_force"
    ]
    assert len(client.get("/api/exclusions").json()) == 1, "the same thing excluded again is one exclusion"
    assert client.delete(f"/api/exclusions/{listed['key']}").status_code == 200
    assert client.delete(f"/api/exclusions/{listed['key']}").status_code == 404
    assert written[-1] == (path, "")
    assert client.get("/api/exclusions").json() == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "would exclude every alert"),
        ({"alert": "*"}, "would exclude every alert"),
        ({"alert": "t", "lasting": "soon"}, "neither a length of time"),
    ],
)
def test_an_exclusion_that_cannot_be(
    given: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    written = lab.written(monkeypatch)
    answer = lab.client("operator").post("/api/exclusions", json=given)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert written == []


def test_only_what_is_engaged_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    released: list[str] = []
    monkeypatch.setattr(
        "console.data.alert_deeds.write_releases", lambda _kafka, alerts, *_: released.extend(a.episode for a in alerts)
    )
    client = lab.client("operator")
    assert client.post("/api/alerts/e1/release", json={}).status_code == 404
    lab.engage(type="t", message="m", entity="192.0.2.1")
    assert client.post("/api/alerts/e1/release", json={"comment": "gone"}).status_code == 200
    assert released == ["e1"]
