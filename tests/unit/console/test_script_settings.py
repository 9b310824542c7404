"""Parameters of scripts that are no checks: shown and set in a form and by the API, as entries of the policy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from markupsafe import Markup

from tapline.commands.console_scripts import ScriptWorkshop
from tests.unit.console.lab import Lab
from workers.settings import WorkersSettings

SCRIPT = '''
from typing import Literal

from tapline import PacketMonitor, SessionMonitor, Params


class Short(SessionMonitor):
    """Looks at short flows."""

    name = "short"

    class params(Params):
        most: int = 7
        strict: bool = False
        mode: Literal["fast", "slow"] = "fast"
        ports: tuple[int, ...] = (22,)
        names: tuple[str, ...] = ()

    def on_flush(self, flow):
        pass


class Bare(SessionMonitor):
    name = "bare"

    def on_flush(self, flow):
        pass


class Wire(PacketMonitor):
    name = "wire"
    display_filter = "tcp"

    class params(Params):
        depth: int = 3

    def on_packet(self, packet):
        pass
'''


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "short.py").write_text(SCRIPT)
    made = Lab(tmp_path, scripts=scripts)
    made.console.workshop = ScriptWorkshop(
        WorkersSettings(scripts=[str(scripts)], params={"short": {"most": 9, "strict": True}})
    )
    return made


def page_of(lab: Lab, name: str = "short", role: str = "operator") -> str:
    return str(Markup(lab.client(role).get(f"/scripts/{name}").text).unescape())


def send(lab: Lab, **fields: str) -> Any:
    """Send the form of the script's page, with the mark that stands in it."""
    (mark,) = re.findall(r'name="mark" value="(\w+)"', page_of(lab))
    return lab.client("operator").post("/scripts/short/settings", data={"mark": mark, "action": "save", **fields})


def test_parameters_are_set_in_a_form_and_taken_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = lab.written(monkeypatch)
    page = page_of(lab)
    assert 'name="p.most" value="" maxlength="200" placeholder="9"' in page, "what the configuration says stands there"
    assert '<option value="slow">slow</option>' in page
    assert "Forget what is set" not in page
    given = {"p.most": "30", "p.mode": "slow", "p.ports": "22\n2222", "p.names": "a\nb", "comment": "why"}
    assert send(lab, **given).status_code == 303
    ((path, text),) = entries
    assert path == "scripts/short"
    wanted = {"most": 30, "mode": "slow", "ports": [22, 2222], "names": ["a", "b"]}
    assert json.loads(text) == {"params": wanted, "comment": "why"}

    told = lab.client("viewer").get("/api/scripts/short/settings").json()
    assert told["effective"] == {
        "most": "30",
        "strict": "yes",
        "mode": "slow",
        "ports": "22, 2222",
        "names": "a, b",
    }
    exported = lab.client("viewer").get("/configuration/policy.yaml").text
    assert yaml.safe_load(exported)["scripts"]["short"]["params"]["most"] == 30

    assert send(lab, action="remove").status_code == 303
    assert entries[-1] == ("scripts/short", "")
    assert lab.client("viewer").get("/api/scripts/short/settings").json()["effective"]["most"] == "9"


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("p.most", "many", "is no number"),
        ("p.most", "1.5", "has to be a whole number"),
        ("p.ports", "22\nssh", "is no number"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    field: str, value: str, why: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = lab.written(monkeypatch)
    answer = send(lab, **{field: value})
    assert answer.status_code == 422
    assert why in str(Markup(answer.text).unescape())
    assert value in answer.text, "what was entered is still there"
    assert entries == []


def test_a_form_does_not_undo_what_somebody_else_has_set(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.written(monkeypatch)
    (mark,) = re.findall(r'name="mark" value="(\w+)"', page_of(lab))
    assert send(lab, **{"p.most": "1"}).status_code == 303
    form = {"mark": mark, "action": "save", "p.most": "2"}
    assert lab.client("operator").post("/scripts/short/settings", data=form).status_code == 409


def test_parameters_are_set_by_the_api(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = lab.written(monkeypatch)
    client = lab.client("operator")
    path = "/api/scripts/short/settings"
    assert client.put(path, json={"value": {"params": {"most": 4}}}).status_code == 200
    assert json.loads(entries[-1][1]) == {"params": {"most": 4}}
    answer = client.put(path, json={"value": {"params": {"mots": 4}}})
    assert answer.status_code == 422
    assert "did you mean most" in answer.json()["detail"]
    assert client.delete(path).status_code == 200
    assert client.delete(path).status_code == 404, "nothing is set any more"


def test_scripts_whose_parameters_are_not_set_here_have_no_form(lab: Lab) -> None:
    page = page_of(lab, "wire")
    assert "Parameter depth" in page
    assert "workers.params.wire" in page
    for name in ("wire", "bare", "nobody"):
        assert lab.client("operator").get(f"/api/scripts/{name}/settings").status_code == 404
        answer = lab.client("operator").put(f"/api/scripts/{name}/settings", json={"value": {}})
        assert answer.status_code == 404
    answer = lab.client("administrator").post(
        "/api/configuration/difference", json={"text": "scripts: {wire: {params: {depth: 2}}}"}
    )
    assert answer.status_code == 422
    assert "runs in capture nodes" in answer.json()["detail"]


def test_a_viewer_sees_what_holds_and_no_form(lab: Lab) -> None:
    page = page_of(lab, role="viewer")
    assert "What it runs with" in page
    assert 'name="p.most"' not in page
