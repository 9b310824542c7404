"""Rules and the configuration in the console: forms, YAML with the line of what is wrong, rehearsals, imports."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from markupsafe import Markup

from console.data import rehearsal
from tests.unit.console.hostile import HOSTILE
from tests.unit.console.lab import NOTHING, Lab
from topics.records import PolicyEntry

FORM = {
    "key": "upload",
    "group": "Hosts",
    "metric": "bytes_out",
    "measure": "volume",
    "operator": "gt",
    "value": "1 MB",
    "period": "1 min",
    "enabled": "yes",
    "action": "save",
    "patience.clear_runs": "1",
}
YAML = "rules:\n  upload:\n    metric: bytes_out\n    value: 1 MB\n"
START = 1_790_000_000 // 3600 * 3600


def text_of(answer: Any) -> str:
    return str(Markup(answer.text).unescape())


def test_a_rule_is_made_in_a_form_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    client = lab.client("operator")
    assert "There is no rule" in client.get("/rules").text
    answer = client.post("/rules/form", data=FORM | {"select.network": "192.0.2.0/24", "comment": "why"})
    assert answer.headers["location"].startswith("/rules?said=upload%3A+set&seal=")
    assert '<p class="note good" role="status">upload: set</p>' in client.get(answer.headers["location"]).text
    ((path, text),) = entries
    assert path == "rules/upload"
    assert json.loads(text) == {
        "name": "upload",
        "metric": "bytes_out",
        "value": 1e6,
        "select": {"network": "192.0.2.0/24"},
        "patience": {"for_runs": 1, "clear_runs": 1, "hold_seconds": 0, "clear_threshold": None},
        "comment": "why",
    }
    page = text_of(client.get("/rules"))
    assert "bytes_out in 1 min > 1,000,000" in page
    assert "network 192.0.2.0/24" in page
    form = client.get("/rules/form?key=upload").text
    assert 'name="value" value="1000000"' in form
    assert 'name="select.network" value="192.0.2.0/24"' in form
    fields = dict(re.findall(r'<input(?: type="hidden")? name="([\w.]+)" value="([^"]*)"', form))
    assert client.post("/rules/form", data=FORM).status_code == 422, "another of this name is not overwritten"
    chosen = re.findall(r'<select name="([\w.]+)".*?<option value="([^"]*)" selected', form)
    again = client.post("/rules/form", data={**fields, **dict(chosen), "enabled": "yes", "action": "save"})
    assert again.status_code == 303
    assert json.loads(entries[-1][1]) == json.loads(text), "what is read back is what was set"
    changed = {**fields, **dict(chosen), "value": "9", "action": "save"}
    assert client.put("/api/rules", json={"text": YAML}).status_code == 200
    assert client.post("/rules/form", data=changed).status_code == 409, "somebody was faster"
    assert client.post("/rules/remove", data={"key": "upload"}).status_code == 303
    assert entries[-1] == ("rules/upload", "")
    assert client.get("/rules/form?key=upload").status_code == 404


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        ("key", "a b", "make a name"),
        ("value", "much", "'much' is no number"),
        ("value", "1e999", "too large"),
        ("period", "2 min", "period has to be"),
        ("score", "900", "between 0 and 250"),
        ("score", "1.5", "whole number"),
        ("select.host", "nobody", "is no address"),
        ("select.pool", "none", "there is no pool"),
        ("measure", "ratio", "a ratio is of two metrics"),
        ("measure", "smell", "invalid enum value"),
        ("patience.for_runs", "often", "is no number"),
        ("top", "0", "between 1 and"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(
    field: str, text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    answer = lab.client("operator").post("/rules/form", data=FORM | {field: text})
    assert answer.status_code == 422
    assert re.search(rf'id="problem-{re.escape(field)}">[^<]*{re.escape(why)}', text_of(answer)), text_of(answer)
    assert entries == []


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("rules:\n  upload:\n    value: much\n", 3, "is no number"),
        ("rules:\n  upload:\n    valu: 1\n", 3, "did you mean value"),
        ("rules:\n  upload: {\n", 3, "not YAML"),
        ("pools:\n  p: {}\n", 2, "only rules are entered here"),
        ("", 1, "begin with `rules:`"),
        ("rules:\n  a: {}\n  upload: {select: {pool: none}}\n", 3, "there is no pool"),
    ],
)
def test_yaml_that_is_wrong_says_the_line(text: str, line: int, why: str, tmp_path: Path) -> None:
    client = Lab(tmp_path).client("operator")
    answer = client.post("/rules/yaml", data={"text": text, "action": "save"})
    assert answer.status_code == 422
    assert re.search(rf"Line {line}: [^<]*{re.escape(why)}", text_of(answer)), text_of(answer)
    told = client.put("/api/rules", json={"text": text})
    assert told.status_code == 422
    assert told.json()["detail"].startswith(f"line {line}: ")


def test_rules_are_set_as_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    client = lab.client("operator")
    assert client.post("/rules/yaml", data={"text": YAML, "action": "save"}).status_code == 303
    assert client.put("/api/rules", json={"text": "rules: {upload/servers: {value: 5}}"}).status_code == 200
    assert [path for path, _ in entries] == ["rules/upload", "rules/upload/servers"]
    text = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", client.get("/rules/yaml").text, re.DOTALL)[0]
    assert set(yaml.safe_load(Markup(text).unescape())["rules"]) == {"upload", "upload/servers"}
    assert client.get("/api/rules/upload/servers").json()["asks"] == "bytes in 1 min > 5"
    assert client.delete("/api/rules/upload/servers").status_code == 200
    assert client.get("/api/rules/upload/servers").status_code == 404


def test_a_rule_of_a_file_cannot_be_taken_back(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(YAML)
    lab = Lab(tmp_path)
    answer = lab.client("operator").delete("/api/rules/upload")
    assert answer.status_code == 422
    assert "policy.yaml:2" in answer.json()["detail"]
    (tmp_path / "policy.yaml").write_text("rules: [")
    answer = lab.client("operator").get("/api/rules")
    assert answer.status_code == 503
    assert "policy.yaml:1" in answer.json()["detail"]


def counted(values: dict[int, dict[str, int]]) -> Any:
    """Elasticsearch with what hosts sent in these minutes."""

    def answer(what: str, question: dict[str, Any]) -> dict[str, Any]:
        if what != "search":
            return {"id": "point"}
        if "aggs" in question:
            if "newest" in question["aggs"]:
                newest = (START + 60 * max(values)) * 1000
                return {"aggregations": {"newest": {"value": newest}}}
            (asked,) = question["aggs"].values()
            if "date_histogram" in asked:
                number = sum(map(len, values.values()))
                return {"aggregations": {"it": {"buckets": [{"key": START * 1000, "doc_count": number}]}}}
            return {"aggregations": {"it": {"buckets": [{"key": "live", "doc_count": 1}]}}}
        hits = [
            {
                "_source": {
                    "tapline": {
                        "window": datetime.fromtimestamp(START + 60 * minute, UTC).isoformat(),
                        "counter": {"group": "Hosts", "key": host, "meter": {"bytes_out": size}},
                    }
                },
                "sort": [minute],
            }
            for minute, hosts in sorted(values.items())
            for host, size in hosts.items()
        ]
        return {"hits": {"hits": hits}, "pit_id": "point"}

    return answer


def test_a_rehearsal_says_how_often_it_would_have_fired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    # One host is above for three minutes, clear for two, and above once more; another is above once; a third never.
    lab.store.answer = counted(
        {
            0: {"192.0.2.1": 5_000_000, "192.0.2.3": 10},
            1: {"192.0.2.1": 5_000_000},
            2: {"192.0.2.1": 5_000_000, "192.0.2.2": 2_000_000},
            3: {"192.0.2.1": 10},
            7: {"192.0.2.1": 5_000_000},
        }
    )
    client = lab.client("operator")
    page = text_of(client.post("/rules/form", data=FORM | {"action": "rehearse"}))
    assert "<strong>3 alerts</strong> about 2 things, judged on 7 counters" in page
    assert 'name="value" value="1 MB"' in page, "the form is as it was"
    text = "rules:\n  upload: {metric: bytes_out, value: 3 MB, patience: {for_runs: 3, clear_runs: 1}}\n"
    found = client.post("/api/rehearsals", json={"text": text}).json()
    assert (found["fired"], found["newest"][0]["entity"]) == (1, "192.0.2.1")
    assert sum(found["over_time"]["values"]["fired"]) == 1
    assert entries == [], "a rehearsal sets nothing"


def test_a_rehearsal_heeds_the_rules_of_the_same_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    lab.written(monkeypatch)
    lab.store.answer = counted({0: {"192.0.2.1": 5_000_000, "192.0.2.2": 5_000_000}})
    client = lab.client("operator")
    exempt = "rules:\n  upload/one: {metric: bytes_out, select: {host: 192.0.2.1}, enabled: false}\n"
    assert client.put("/api/rules", json={"text": exempt}).status_code == 200
    found = client.post("/api/rehearsals", json={"text": YAML}).json()
    assert [each["entity"] for each in found["newest"]] == ["192.0.2.2"]


def test_a_day_with_too_many_counters_is_shortened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "MOST_COUNTERS", 3)
    lab = Lab(tmp_path)
    lab.store.answer = counted({0: {f"192.0.2.{number}": 5_000_000 for number in range(9)}})
    found = lab.client("operator").post("/api/rehearsals", json={"text": YAML}).json()
    assert found["shortened"]


def test_a_rehearsal_of_nothing_says_so(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.store.answer = lambda _what, _question: NOTHING
    page = text_of(lab.client("operator").post("/rules/form", data=FORM | {"action": "rehearse"}))
    assert "nothing could fire" in page


def test_an_import_shows_its_difference_and_does_just_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    client = lab.client("administrator")
    client.put("/api/rules", json={"text": "rules:\n  upload: {value: 5}\n  old: {value: 1}\n"})
    text = "pools: {p: {members: [192.0.2.1]}}\r\nrules: {upload: {value: 7, select: {pool: p}}}\r\n"
    page = text_of(client.post("/configuration/difference", data={"text": text, "replace": "yes"}))
    for said in (
        "<strong>3</strong> changes",
        "pools/p</code> new",
        "rules/upload</code> changed",
        "rules/old</code> taken",
    ):
        assert said in page, said
    assert re.search(r'class="goes"><span class="sign">-</span> value: 5\.0', page)
    assert re.search(r'class="comes"><span class="sign">\+</span> value: 7\.0', page)
    assert len(entries) == 2, "looking changes nothing"
    mark = re.findall(r'name="mark" value="(\w+)"', page)[0]
    assert re.findall(r'name="text" value="([^"]*)"', page) == [text.replace("\r\n", "\n")]
    form = {"text": text, "replace": "yes", "mark": mark, "comment": "new"}
    client.put("/api/rules", json={"text": "rules: {upload: {value: 7, select: {host: 192.0.2.9}}}"})
    client.put("/api/rules", json={"text": "rules: {other: {value: 1}}"})
    assert client.post("/configuration/import", data=form).status_code == 409
    found = client.post("/api/configuration/difference", json={"text": text, "replace": True}).json()
    assert client.post("/configuration/import", data=form | {"mark": found["mark"]}).status_code == 303
    exported = client.get("/configuration/policy.yaml")
    assert 'filename="policy.yaml"' in exported.headers["content-disposition"]
    assert set(yaml.safe_load(exported.text)["rules"]) == {"upload"}
    again = client.post("/configuration/difference", data={"text": exported.text})
    assert "are set so already" in again.text
    assert client.get("/api/configuration/policy.yaml").text == exported.text


@pytest.mark.parametrize("text", ["rules: {a: {value: x}}", "[" * 9000, "a: \x00", "rules: {a: {until: 2026-99-99}}"])
def test_an_import_that_cannot_be_says_why(text: str, tmp_path: Path) -> None:
    client = Lab(tmp_path).client("administrator")
    answer = client.post("/configuration/difference", data={"text": text})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert 'data-live-from="/configuration"' in answer.text, "it can be drawn anew"
    assert client.post("/api/configuration/difference", json={"text": text}).status_code == 422


def test_hostile_texts_of_the_policy_show_harmlessly(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    value = json.dumps({"name": HOSTILE, "message": HOSTILE, "group": HOSTILE, "metric": HOSTILE, "comment": HOSTILE})
    entry = PolicyEntry(id="p", time=1, key="rules/r", value=value, author=HOSTILE, comment=HOSTILE)
    lab.console.standing._take_entry(entry)
    lab.console.standing.reach.change(entry, 1, live=True)
    client = lab.client("administrator")
    for path in ("/rules", "/rules/form?key=r", "/rules/yaml?key=r", "/configuration"):
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        assert "<img" not in answer.text.replace('<img src="/static/icon.svg"', "")
        assert answer.text.count("<script") == answer.text.count("<script src=")
        assert "window.harmed" in answer.text
    sent = client.post("/configuration/difference", data={"text": f"rules: {{r: {{message: {json.dumps(HOSTILE)}}}}}"})
    assert sent.status_code == 200, sent.text
    assert "<img" not in sent.text.replace('<img src="/static/icon.svg"', "")


def test_a_text_of_rules_does_not_undo_what_somebody_else_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    entries = lab.written(monkeypatch)
    client = lab.client("operator")
    client.put("/api/rules", json={"text": "rules: {upload: {value: 1}, other: {value: 1}}"})
    (marks,) = re.findall(r'name="marks" value="([^"]*)"', client.get("/rules/yaml").text)
    form = {"text": YAML + "  other: {value: 1}\n", "action": "save", "marks": str(Markup(marks).unescape())}
    lab.client("operator").put("/api/rules", json={"text": "rules: {upload: {value: 7}, other: {value: 1}}"})
    before = len(entries)

    answer = client.post("/rules/yaml", data=form)
    assert answer.status_code == 409
    assert len(entries) == before, "nothing is set"
    page = text_of(answer)
    assert "Somebody was faster" in page
    assert re.search(r'"goes"><span class="sign">-</span> value: 7', page)
    assert re.search(r'"comes"><span class="sign">\+</span> value: 1000000', page)
    assert "rules/other" not in page, "what somebody has set to the same is no difference"
    assert "value: 1 MB" in page, "what was written is still there"

    (marks,) = re.findall(r'name="marks" value="([^"]*)"', answer.text)
    again = client.post("/rules/yaml", data=form | {"marks": str(Markup(marks).unescape())})
    assert again.status_code == 303, "who has seen the difference can set the text"
    assert client.get("/api/rules/upload").json()["value"]["value"] == 1e6


@pytest.mark.parametrize("marks", ["", "no JSON", "[1]", '{"upload": 1}'])
def test_a_text_of_rules_without_marks_sets_only_new_ones(
    marks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    lab.written(monkeypatch)
    client = lab.client("operator")
    form = {"text": YAML, "action": "save", "marks": marks}
    assert client.post("/rules/yaml", data=form).status_code == 303
    assert client.post("/rules/yaml", data=form | {"text": "rules: {upload: {value: 9}}"}).status_code == 409
