"""Scripts in the console: how they fare, forms of their parameters, files that are enabled and disabled."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import pytest
from markupsafe import Markup

from console.data.script_forms import FormField, form_of, params_of, written
from tapline.checks import Gui, HostCheck
from tapline.checks.gui import (
    Choice,
    DurationInput,
    ItemListInput,
    MultiSelectInput,
    NumberInput,
    SwitchInput,
    ThresholdInput,
    VolumeInput,
)
from tapline.commands.console_scripts import ScriptWorkshop
from tapline.script import Params
from tests.unit.console.hostile import HOSTILE
from tests.unit.console.lab import Lab
from topics.worker_reports import HookReport, InstanceReport, WorkerReport
from workers.settings import WorkersSettings

SCRIPT = '''
from tapline import SessionMonitor, Params


class Short(SessionMonitor):
    """Looks at short flows."""

    name = "short"

    class params(Params):  # noqa: N801 - as scripts write it
        most: int = 7

    def on_flush(self, flow):
        pass
'''


class Everything(HostCheck):
    """A check with an input of each kind."""

    name = "everything"
    gui = Gui(
        title="Everything",
        inputs=(
            ThresholdInput(unit="%", minimum=1, maximum=100),
            ItemListInput(param="servers", item="address"),
            MultiSelectInput(param="protocols", choices=(Choice(value="FTP"), Choice(value="HTTP", label="the web"))),
            NumberInput(param="days", minimum=2),
            DurationInput(param="seconds"),
            VolumeInput(param="up_bytes", other_param="down_bytes"),
            SwitchInput(param="strict"),
        ),
    )

    class params(Params):  # noqa: N801 - as scripts write it
        operator: Literal["gt", "lt"] = "gt"
        threshold: float = 50
        servers: tuple[str, ...] = ()
        protocols: tuple[str, ...] = ("FTP",)
        days: int = 30
        seconds: int = 43200
        up_bytes: int = 1_000_000_000
        down_bytes: int = 5_000_000
        strict: bool = False
        pattern: str = "x"
        mode: Literal["a", "b"] = "a"

    def min(self, entity: Any) -> None:
        pass


BELOW = msgspec.structs.asdict(Everything.params)


def kinds() -> dict[str, FormField]:
    return {field.name: field for field in form_of(Everything, {"seconds": 86400, "servers": []}, BELOW)}


def test_a_form_follows_from_types_and_inputs() -> None:
    fields = kinds()
    assert {name: field.kind for name, field in fields.items()} == {
        "operator": "choice",
        "threshold": "number",
        "servers": "list",
        "protocols": "choices",
        "days": "whole",
        "seconds": "duration",
        "up_bytes": "volume",
        "down_bytes": "volume",
        "strict": "switch",
        "pattern": "text",
        "mode": "choice",
    }
    assert (fields["threshold"].unit, fields["threshold"].maximum) == ("%", 100)
    assert (fields["seconds"].given, fields["seconds"].below) == ("1 d", "12 h")
    assert (fields["up_bytes"].below, fields["down_bytes"].below) == ("1 GB", "5 MB")
    assert (fields["servers"].given, fields["servers"].below) == ("-", "none")
    assert fields["operator"].below == "greater than"
    assert fields["protocols"].choices == {"FTP": "FTP", "HTTP": "the web"}


def test_what_a_form_brings_becomes_parameters() -> None:
    form = {
        "p.operator": "lt",
        "p.threshold": "12.5 %",
        "p.servers": " 192.0.2.1 \n\n192.0.2.2",
        "p.protocols.HTTP": "yes",
        "p.seconds": "2 h",
        "p.up_bytes": "2 GB",
        "p.strict": "yes",
        "p.days": "",
    }
    assert params_of(Everything, form) == (
        {
            "operator": "lt",
            "threshold": 12.5,
            "servers": ["192.0.2.1", "192.0.2.2"],
            "protocols": ["HTTP"],
            "seconds": 7200,
            "up_bytes": 2_000_000_000,
            "strict": True,
        },
        {},
    )
    assert params_of(Everything, {"p.servers": "-"})[0] == {"servers": []}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("threshold", "much", "is no number"),
        ("threshold", "101", "100 or less"),
        ("days", "1", "2 or more"),
        ("days", "2.5", "whole"),
        ("seconds", "soon", "length of time"),
        ("operator", "eq", "one of gt, lt"),
        ("threshold", "1e999", "too large"),
        ("days", "1e999", "too large"),
    ],
)
def test_what_is_wrong_in_a_form_is_said_by_field(name: str, text: str, why: str) -> None:
    params, problems = params_of(Everything, {f"p.{name}": text})
    assert params == {}
    assert why in problems[name]


def test_a_value_is_written_so_that_it_is_read_as_it_was() -> None:
    for name, value in BELOW.items():
        if kinds()[name].kind != "choices" and value != ():
            text = written(kinds()[name].kind, value)
            read = params_of(Everything, {f"p.{name}": text})[0][name]
            assert (tuple(read) if isinstance(read, list) else read) == value, name


def fared(lab: Lab, **changes: Any) -> None:
    """Have two workers report."""
    for number in (1, 2):
        lab.console.standing.reach.heard(
            WorkerReport(
                worker=f"w/{number}/x",
                host="w",
                time=1,
                policy=-1,
                hooks=[
                    HookReport("syn_flood_attacker", "min", 100, 0.5, 0),
                    HookReport("short", "on_flush", 10, 0.1, 1, changes.get("error", "short.py:12: ValueError: no")),
                ],
                instances=[
                    InstanceReport("syn_flood_attacker", "/x/floods_and_scans.py", "running", "", 2),
                    InstanceReport("short", "/elsewhere/short.py", "suspended", changes.get("why", "it failed")),
                    InstanceReport("", "/elsewhere/late.py", "broken", "late.py:2: invalid syntax"),
                ],
            )
        )


def test_how_scripts_fare_is_added_up_over_workers(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    fared(lab)
    client = lab.client("viewer")
    found = client.get("/api/scripts").json()
    assert found["workers"] == 2
    assert [(each["name"], each["state"]) for each in found["scripts"][:2]] == [
        ("late", "broken"),
        ("short", "suspended"),
    ]
    flood = next(each for each in found["scripts"] if each["name"] == "syn_flood_attacker")
    assert (flood["calls"], flood["seconds"], flood["instances"]) == (200, 1.0, {"running": 4})
    other = next(each for each in found["scripts"] if each["name"] == "syn_scan_attacker")
    assert other["state"] == "not loaded"
    assert next(each for each in found["scripts"] if each["name"] == "long-ssh-sessions" or each["state"] == "off")
    page = client.get("/scripts/short").text
    assert "short.py:12: ValueError: no" in page
    assert "taken out of service" in page
    assert "invalid syntax" in client.get("/scripts/late").text
    assert client.get("/scripts/nobody").status_code == 404


def test_a_file_that_is_broken_here_shows_its_line(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "torn.py").write_text("from tapline import SessionMonitor\nclass Torn(SessionMonitor:\n")
    lab = Lab(tmp_path, scripts=scripts)
    page = Markup(lab.client("viewer").get("/scripts/torn").text).unescape()
    assert "torn.py:2: " in page
    assert "its file cannot be used" in page


def test_hostile_texts_of_scripts_show_harmlessly(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    fared(lab, error=HOSTILE, why=HOSTILE)
    for path in ("/scripts", "/scripts/short", f"/scripts/syn_flood_attacker?entity={quote(HOSTILE[:100])}"):
        text = lab.client("administrator").get(path).text
        assert "<img" not in text.replace('<img src="/static/icon.svg"', "")
        assert text.count("<script") == text.count("<script src=")


def test_files_are_enabled_and_disabled_by_administrators(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "short.py").write_text(SCRIPT)
    lab = Lab(tmp_path, scripts=scripts)
    client = lab.client("administrator")
    assert "Disable the file" in client.get("/scripts/short").text
    assert "workers.params.short" in client.get("/scripts/short").text
    answer = client.post("/scripts/short/disable", data={"script": "short"})
    assert answer.headers["location"].startswith("/scripts/short?said=disabled")
    assert (scripts / "_short.py").is_file()
    assert client.get("/api/scripts/short").json()["state"] == "set aside"
    assert client.post("/api/scripts/short/enable").status_code == 200
    assert (scripts / "short.py").is_file()
    assert client.post("/api/scripts/long_ssh/enable").status_code == 200
    assert (scripts / "long_ssh.py").is_symlink()
    assert [deed.what for deed in lab.console.audit.newest()] == ["enabled", "enabled", "disabled"]
    for name in ("nobody", "..%2fetc", "%2fetc%2fpasswd"):
        assert client.post(f"/api/scripts/{name}/enable").status_code == 404
    assert "Disable the file" not in lab.client("operator").get("/scripts/short").text


def sent(lab: Lab, name: str, role: str = "operator", **fields: str) -> Any:
    """Send a form of a check's page, with the mark that stands in it."""
    client = lab.client(role)
    mark = re.findall(r'name="mark" value="(\w+)"', client.get(f"/scripts/{name}").text)[0]
    return client.post(f"/scripts/{name}/settings", data={"mark": mark, "action": "save", **fields})


def test_a_check_is_set_for_all_and_for_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.yaml").write_text("pools: {servers: {members: [192.0.2.0/24]}}\n")
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    name = "syn_flood_attacker"
    assert sent(lab, name, layer="all", **{"p.threshold": "100", "comment": "less"}).status_code == 303
    match: Any = {"match.pool": "servers", "p.threshold": "1_000", "score": "20"}
    assert sent(lab, name, layer="new", **match).status_code == 303
    path, text = entries[-1]
    assert path == f"checks/{name}"
    assert json.loads(text) == {
        "params": {"threshold": 100.0},
        "overrides": [{"match": {"pool": "servers"}, "params": {"threshold": 1000.0}, "score": 20}],
    }
    client = lab.client("viewer")
    for entity, threshold, because in (
        ("192.0.2.7", "1000", f"checks/{name}/overrides[0]"),
        ("198.51.100.1", "100", f"checks/{name}"),
    ):
        (row,) = client.get(f"/api/checks/{name}/effective", params={"entity": entity}).json()
        assert (row["params"]["threshold"], row["because_of"][-1]) == (threshold, because)
    assert sent(lab, name, layer="0", action="remove").status_code == 303
    assert "overrides" not in json.loads(entries[-1][1])
    assert sent(lab, name, layer="all", action="remove").status_code == 303
    assert entries[-1] == (f"checks/{name}", "")


def test_a_form_that_is_wrong_comes_back_with_what_was_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    for fields, said in (
        ({"layer": "all", "p.threshold": "many"}, "'many' is no number"),
        ({"layer": "all", "score": "lots"}, "'lots' is no number"),
        ({"layer": "new", "p.threshold": "5"}, "say for which"),
        ({"layer": "new", "match.host": "nobody", "p.threshold": "5"}, "'nobody' is no address"),
        ({"layer": "new", "match.pool": "none"}, "there is no pool 'none'"),
    ):
        answer = sent(lab, "syn_flood_attacker", **fields)
        text = Markup(answer.text).unescape()
        assert answer.status_code == 422, fields
        assert said in text, fields
        assert 'aria-invalid="true"' in text or "note bad" in text
        for value in fields.values():
            assert value in text
    assert sent(lab, "syn_flood_attacker", layer="99", **{"match.host": "192.0.2.1"}).status_code == 404
    assert entries == []


def test_a_form_that_is_out_of_date_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    client = lab.client("operator")
    mark = re.findall(r'name="mark" value="(\w+)"', client.get("/scripts/syn_flood_attacker").text)[0]
    assert client.put("/api/checks/syn_flood_attacker", json={"value": {"enabled": False}}).status_code == 200
    form = {"mark": mark, "layer": "all", "action": "save", "p.threshold": "1"}
    answer = client.post("/scripts/syn_flood_attacker/settings", data=form)
    assert answer.status_code == 409
    assert "meanwhile" in answer.text
    assert len(entries) == 1
    assert client.delete("/api/checks/syn_flood_attacker").status_code == 200
    assert client.delete("/api/checks/syn_flood_attacker").status_code == 404
    wrong = client.put("/api/checks/syn_flood_attacker", json={"value": {"params": {"thresold": 1}}})
    assert wrong.status_code == 422
    assert "thresold" in wrong.json()["detail"]
    assert client.put("/api/checks/none", json={"value": {}}).status_code == 404


def test_a_viewer_finds_no_form_to_change_anything(tmp_path: Path) -> None:
    page = Lab(tmp_path).client("viewer").get("/scripts/syn_flood_attacker").text
    assert re.findall(r'method="post" action="([^"]+)"', page) == ["/logout"]
    assert "256" in page


def test_what_is_not_approved_is_not_run_here_either(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "short.py").write_text(SCRIPT + "\nimport pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
    approved = tmp_path / "approved"
    approved.write_text("")
    workshop = ScriptWorkshop(WorkersSettings(scripts=[str(scripts)], approved_scripts=str(approved)))
    (found,) = [each for each in workshop.scripts() if each.place == "enabled"]
    assert "is not approved" in found.broken
    assert not (scripts / "ran").exists()
    digest = hashlib.sha256((scripts / "short.py").read_bytes()).hexdigest()
    approved.write_text(f"{digest}  short.py\n")
    (found,) = [each for each in workshop.scripts() if each.place == "enabled"]
    assert (found.name, found.broken) == ("short", "")
    assert (scripts / "ran").exists()
