"""The trail of what was done."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.security import audit
from console.security.audit import Audit
from tests.unit.console.lab import Lab


def test_it_says_who_changed_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    lab.written(monkeypatch)
    lab.engage(type="t", message="m", entity="192.0.2.1")
    lab.client("operator").post("/api/alerts/e1/acknowledgement", json={"comment": "the nightly copy"})
    lab.client("administrator").post("/users/viewer/remove")
    page = lab.client("administrator").get("/audit").text
    for text in ("acknowledgements/e1", "the nightly copy", "removed user"):
        assert text in page
    again = Audit(tmp_path)
    again.load()
    assert [(deed.who, deed.what) for deed in again.newest()] == [
        ("administrator", "removed user"),
        ("operator", "set"),
    ]
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    written = lab.written(monkeypatch)
    lab.engage(type="t", message="m")
    (tmp_path / "audit.jsonl").mkdir()
    answer = lab.client("operator").post("/api/alerts/e1/acknowledgement", json={})
    assert answer.status_code == 503
    assert "nothing was changed" in answer.json()["detail"]
    assert written == []


def test_it_does_not_grow_for_ever_and_survives_a_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_BYTES", 1000)
    trail = Audit(tmp_path)
    for number in range(100):
        trail.write("a", "did", str(number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2500
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"time": 1, "who": "cut o')
    again = Audit(tmp_path)
    again.load()
    assert again.newest()[0].about == "99"
