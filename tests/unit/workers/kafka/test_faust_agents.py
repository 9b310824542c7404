"""Files of plain Faust agents: found, or refused with the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapline.commands import run
from topics.errors import TaplineError
from workers.kafka.faust_agents import agent_files, load_agents

GOOD = "def attach(app, topics): pass\n"


def test_agents_are_found_in_folders_by_name(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "_not.py", "no.txt"):
        (tmp_path / name).write_text(GOOD, encoding="utf-8")
    assert [path.name for path in agent_files([tmp_path, tmp_path / "missing"])] == ["a.py", "b.py"]
    assert [callable(file.attach) for file in load_agents(agent_files([tmp_path]))] == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def attach(:\n", r"it\.py:1: "),
        ("\n1 / 0\n", r"it\.py:2: ZeroDivisionError"),
        ("x = 1\n", r"it\.py: defines no `def attach\(app, topics\)`"),
        ("def attach(app): pass\n", r"it\.py: defines no `def attach\(app, topics\)`"),
    ],
)
def test_a_file_that_is_no_good_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "it.py").write_text(text, encoding="utf-8")
    with pytest.raises(TaplineError, match=message):
        load_agents(agent_files([tmp_path]))


def test_asking_for_agents_where_there_are_none_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["worker", "agents"]) == 1
    assert "there are no agents in scripts/agents" in capsys.readouterr().err
