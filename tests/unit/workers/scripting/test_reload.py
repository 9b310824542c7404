"""Scripts that change while records flow: new ones run, old ones are gone, no record is lost or seen twice."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.integration.workers.stream import MadeStream, Message
from topics.records import Alert
from workers.pipeline import Pipeline
from workers.scripting.budget import Budget
from workers.scripting.reload import ScriptFolders, ScriptReloader
from workers.settings import WorkersSettings

NODE = "file-0123456789abcdef"
WINDOWS, FLOWS = 3, 300

COUNTING = """
from tapline import SessionMonitor
class {name}(SessionMonitor):
    name = "{name}"
    def on_load(self): print("{name} {version} load", self.instance)
    def on_unload(self): print("{name} {version} unload", self.instance)
    def on_new_flow(self, flow): print("{name} {version} new", flow.id)
    def on_flush(self, flow): print("{name} {version} flush", flow.id)
"""


class Setting:
    """A pipeline whose scripts come from a folder that is looked at as a worker would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = WorkersSettings(scripts=[str(folder)], script_output_kb=10_000)
        self.folders = ScriptFolders(self.settings, Budget(self.settings))
        self.pipeline = Pipeline(self.folders.load(), partitions=2, settings=self.settings)
        self.pipeline.start()
        self.reloader = ScriptReloader(self.pipeline.environment, self.folders)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / f"{name}.py"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def look(self) -> bool:
        """What a worker does in the two seconds after a change."""
        return any([self.reloader.check(), self.reloader.check()])

    def feed(self, messages: Iterator[Message], count: int | None = None) -> None:
        for _ in range(count if count is not None else sys.maxsize):
            message = next(messages, None)
            if message is None:
                return
            self.pipeline.feed([message])

    def names(self) -> list[str]:
        return [script.name for script in self.pipeline.environment.scripts.scripts]

    def alerts(self, kind: str) -> list[Alert]:
        return [alert for alert in self.pipeline.published["alert"] if alert.type == kind]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    (tmp_path / "kept.py").write_text(COUNTING.format(name="kept", version=1), encoding="utf-8")
    (tmp_path / "changing.py").write_text(COUNTING.format(name="changing", version=1), encoding="utf-8")
    setting = Setting(tmp_path)
    yield setting
    setting.pipeline.stop()


def made() -> MadeStream:
    return MadeStream(windows=WINDOWS, flows=FLOWS, nodes=1, partitions=2, stream=NODE)


def said(capsys: pytest.CaptureFixture[str]) -> Counter[tuple[str, str, str]]:
    return Counter(tuple(line.split(" ")[:3]) for line in capsys.readouterr().out.splitlines())  # type: ignore[misc]


def test_a_changed_file_takes_over_between_two_messages(setting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    messages = made().messages()
    setting.feed(messages, 2)
    setting.write("changing", COUNTING.format(name="changing", version=2))
    assert setting.look()
    setting.feed(messages)
    lines = capsys.readouterr().out.splitlines()
    for hook in ("new", "flush"):
        kept = [line.split()[3] for line in lines if line.startswith(f"kept 1 {hook}")]
        assert len(set(kept)) == len(kept) == WINDOWS * FLOWS, "the other script has seen each flow once"
    before, after = ([line.split()[3] for line in lines if line.startswith(f"changing {n} new")] for n in (1, 2))
    assert before
    assert after
    assert not set(before) & set(after)
    assert len(before) + len(after) == WINDOWS * FLOWS, "each flow was seen by one version"
    flushed = [line.split()[3] for line in lines if line.startswith("changing 2 flush")]
    assert sorted(flushed) == sorted(after), "what has come since it was loaded"
    counts = Counter(" ".join(line.split()[:3]) for line in lines)
    assert counts["changing 1 unload"] == counts["changing 2 load"] == 2
    assert not any(line.startswith("kept 1 unload") for line in lines)


def test_a_group_that_nobody_has_is_warned_of_once_until_somebody_has_it(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    def warned() -> int:
        return sum("attaches to 'Mine'" in record.getMessage() for record in caplog.records)

    text = "from tapline import CounterMonitor\nclass It(CounterMonitor):\n    group = 'Mine'\n"
    path = setting.write("it", f"{text}    def on_flush(self, counter): pass\n")
    assert setting.look()
    assert warned() == 1
    assert f"{path}:3: It attaches to 'Mine', and there is no counter group of that name yet" in caplog.text
    assert "It" in setting.names(), "it runs"
    (setting.folder / "changing.py").unlink()
    assert setting.look()
    assert warned() == 1
    setting.write("more", "from tapline import CounterGroup\nMINE = CounterGroup('Mine')\n")
    assert setting.look()
    (setting.folder / "more.py").unlink()
    assert setting.look()
    assert warned() == 2


def test_files_come_and_go(setting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    messages = made().messages()
    setting.feed(messages, 2)
    setting.write("added", COUNTING.format(name="added", version=1))
    (setting.folder / "changing.py").unlink()
    assert setting.look()
    assert setting.names() == ["added", "kept"]
    setting.feed(messages)
    counts = said(capsys)
    assert counts["changing", "1", "unload"] == 2
    assert not counts["changing", "1", "flush"]
    assert counts["kept", "1", "new"] == counts["kept", "1", "flush"] == WINDOWS * FLOWS
    assert 0 < counts["added", "1", "new"] == counts["added", "1", "flush"] < WINDOWS * FLOWS


def test_a_broken_file_leaves_the_old_version_running_and_says_where_it_is_wrong(
    setting: Setting, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    messages = made().messages()
    setting.feed(messages, 2)
    with caplog.at_level(logging.ERROR):
        path = setting.write("changing", "from tapline import SessionMonitor\ndef broken(:\n")
        for _ in range(5):
            assert not setting.reloader.check()
    told = [record.getMessage() for record in caplog.records if "cannot be used" in record.getMessage()]
    assert len(told) == 1, "once, however often it is looked at"
    assert f"the version loaded before runs on: {path}:2: invalid syntax" in told[0]
    assert setting.folders.broken == {path: f"{path}:2: invalid syntax"}
    setting.feed(messages)
    assert said(capsys)["changing", "1", "flush"] == WINDOWS * FLOWS
    alerts = setting.alerts("script-broken")
    assert len(alerts) == 1
    assert f"{path}:2" in alerts[0].message
    setting.write("changing", COUNTING.format(name="changing", version=2))
    assert setting.look()
    assert not setting.folders.broken


def test_a_broken_file_keeps_nobody_from_starting(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import surely_not_there\n", encoding="utf-8")
    (tmp_path / "good.py").write_text(COUNTING.format(name="good", version=1), encoding="utf-8")
    setting = Setting(tmp_path)
    assert setting.names() == ["good"]
    assert "bad.py:1: ModuleNotFoundError" in setting.folders.broken[tmp_path / "bad.py"]
    setting.pipeline.stop()


def test_a_name_of_another_file_is_refused(setting: Setting) -> None:
    setting.write("twin", COUNTING.format(name="kept", version=2))
    assert not setting.look()
    assert "has a script kept too" in setting.folders.broken[setting.folder / "twin.py"]
    assert setting.names() == ["changing", "kept"]


def test_groups_of_scripts_come_and_go_with_them(setting: Setting) -> None:
    text = """
        from tapline import CounterGroup, Meter, SessionMonitor
        SEEN = CounterGroup("Seen", (Meter("most", "maximum"),), guid="{0409EAC7-1E60-43D3-C0FA-A87429F99728}")
        class Group(SessionMonitor):
            def on_new_flow(self, flow): self.count("0409eac7-1e60-43d3-c0fa-a87429f99728", "all", most=flow.time)
    """
    setting.write("group", text)
    assert setting.look()
    messages = made().messages()
    setting.feed(messages)
    assert not setting.pipeline.errors
    seen = [metric for metric in setting.pipeline.published["counter"] if metric.group == "Seen"]
    assert seen
    (setting.folder / "group.py").unlink()
    assert setting.look()
    assert setting.pipeline.environment.scripts.groups.counters.find("Seen") is None


def test_a_file_of_the_same_size_written_in_the_same_moment_is_noticed(setting: Setting) -> None:
    path = setting.folder / "changing.py"
    before = path.stat()
    setting.write("changing", COUNTING.format(name="change_d", version=1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1000))
    assert setting.look()
    assert setting.names() == ["change_d", "kept"]


def test_a_file_that_is_touched_or_still_being_written_is_left_alone(setting: Setting) -> None:
    path = setting.folder / "changing.py"
    path.touch()
    assert not setting.look()
    for length in (10, 40, 80):
        path.write_text(COUNTING.format(name="changing", version=2)[:length], encoding="utf-8")
        assert not setting.reloader.check()
    path.write_text(COUNTING.format(name="changing", version=2), encoding="utf-8")
    assert not setting.reloader.check()
    assert setting.reloader.check()
    assert not setting.folders.broken


def test_modules_of_versions_that_are_gone_are_dropped(setting: Setting) -> None:
    def modules() -> list[str]:
        return [name for name in sys.modules if name.startswith("tapline_script_changing_")]

    before = modules()
    for version in range(2, 6):
        setting.write("changing", COUNTING.format(name="changing", version=version))
        assert setting.look()
    assert len(modules()) == len(before)
    (setting.folder / "changing.py").unlink()
    assert setting.look()
    assert len(modules()) == len(before) - 1


def test_a_suspended_script_comes_back_when_its_file_changes(
    setting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = made().messages()
    setting.write(
        "changing",
        """
        from tapline import SessionMonitor
        class changing(SessionMonitor):
            def on_new_flow(self, flow): raise ValueError
        """,
    )
    assert setting.look()
    setting.feed(messages, 5)
    assert setting.alerts("script-suspended")
    setting.write("changing", COUNTING.format(name="changing", version=3))
    assert setting.look()
    setting.feed(messages)
    assert said(capsys)["changing", "3", "new"] > 0


def test_a_probable_mistake_is_told_when_a_script_is_loaded(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    path = setting.write(
        "changing",
        """
        from tapline import SessionMonitor
        class changing(SessionMonitor):
            def on_flow_new(self, flow): pass
        """,
    )
    assert setting.look()
    told = [record.getMessage() for record in caplog.records]
    assert f"{path}:4: on_flow_new is no hook of SessionMonitor and is never called; did you mean on_new_flow?" in told
