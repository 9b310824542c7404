"""Scripts, what they import, their lists and the policy in ConfigMaps: changes reach workers that run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.config_maps import MountedConfigMap
from tests.integration.workers.stream import MadeStream
from workers.environment import Environment
from workers.pipeline import Pipeline
from workers.policy import PolicyKeeper
from workers.scripting.budget import Budget
from workers.scripting.helpers import folder_of
from workers.scripting.reload import ScriptFolders, ScriptReloader
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings

SAYING = """
from tapline import SessionMonitor
{imports}
class {name}(SessionMonitor):
    def on_load(self): print("{name} loaded")
    def on_new_flow(self, flow): print("{name}", {word})
"""


def saying(name: str, word: str, imports: str = "") -> str:
    return SAYING.format(name=name, word=word, imports=imports)


class Watching:
    """A pipeline whose scripts come from a mounted ConfigMap that is looked at as a worker would."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self.mounted = MountedConfigMap(folder)
        self.mounted.write(files)
        settings = WorkersSettings(scripts=[str(folder)])
        self.folders = ScriptFolders(settings, Budget(settings))
        self.pipeline = Pipeline(self.folders.load(), partitions=1, settings=settings)
        self.pipeline.start()
        self._reloader = ScriptReloader(self.pipeline.environment, self.folders)
        self._round = 0

    def change(self, files: dict[str, str]) -> bool:
        """Let the ConfigMap hold these, and look twice: a change is taken when both see the same."""
        self.mounted.write(files)
        return any([self._reloader.check(), self._reloader.check()])

    def said(self, capsys: pytest.CaptureFixture[str]) -> set[str]:
        """What is printed of a flow, and was since the last one."""
        self._round += 1
        stream = f"file-{self._round:016x}"
        self.pipeline.feed(MadeStream(windows=1, flows=3, nodes=1, partitions=1, stream=stream).messages())
        return set(capsys.readouterr().out.splitlines())


FILES = {"one.py": saying("One", "1"), "two.py": saying("Two", "word()", "from helper import word")}
HELPER = "def word():\n    return {word!r}\n"


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    made = Watching(tmp_path / "scripts", {**FILES, "helper.py": HELPER.format(word="before")})
    yield made
    made.pipeline.stop()


def test_a_changed_script_takes_over_and_the_others_go_on(
    watching: Watching, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watching.said(capsys) == {"One 1", "Two before"}
    assert watching.change({**FILES, "one.py": saying("One", "100"), "helper.py": HELPER.format(word="before")})
    assert watching.said(capsys) == {"One loaded", "One 100", "Two before"}
    assert not watching.folders.broken


def test_a_changed_helper_takes_over_with_who_imports_it(
    watching: Watching, capsys: pytest.CaptureFixture[str]
) -> None:
    watching.said(capsys)
    assert watching.change({**FILES, "helper.py": HELPER.format(word="after")})
    assert watching.said(capsys) == {"Two loaded", "One 1", "Two after"}


def test_the_same_files_again_load_nothing(watching: Watching, capsys: pytest.CaptureFixture[str]) -> None:
    watching.said(capsys)
    assert not watching.change({**FILES, "helper.py": HELPER.format(word="before")})
    assert watching.said(capsys) == {"One 1", "Two before"}


def test_scripts_come_and_go(watching: Watching, capsys: pytest.CaptureFixture[str]) -> None:
    watching.said(capsys)
    assert watching.change({"one.py": FILES["one.py"], "three.py": saying("Three", "3")})
    assert watching.said(capsys) == {"Three loaded", "One 1", "Three 3"}
    assert watching.change({})
    assert watching.said(capsys) == set()


def test_a_broken_script_leaves_the_version_before_running(
    watching: Watching, capsys: pytest.CaptureFixture[str]
) -> None:
    watching.said(capsys)
    assert not watching.change({**FILES, "one.py": "class One(:\n", "helper.py": HELPER.format(word="before")})
    assert watching.said(capsys) == {"One 1", "Two before"}
    assert [path.name for path in watching.folders.broken] == ["one.py"]


def test_a_list_beside_a_script_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = dedent("""
        from tapline import SessionMonitor
        from tapline.lists import ListFile, SuffixSet
        class Listed(SessionMonitor):
            def on_load(self):
                self.names = ListFile(SuffixSet, self.folder / "names.txt")
                self.names.load()
            def on_new_flow(self, flow):
                if self.names.changed():
                    self.names.load()
                print(len(self.names.entries))
    """)
    watching = Watching(tmp_path, {"listed.py": script, "names.txt": "a.example\n"})
    assert watching.said(capsys) == {"1"}
    assert not watching.change({"listed.py": script, "names.txt": "a.example\nb.example\n"})
    assert watching.said(capsys) == {"2"}
    watching.pipeline.stop()


def test_a_changed_policy_holds(tmp_path: Path) -> None:
    mounted = MountedConfigMap(tmp_path)
    mounted.write({"policy.yaml": "{}"})
    settings = WorkersSettings(scripts=[], policy=[str(tmp_path / "policy.yaml")])
    environment = Environment(settings, load_files([], {}), {})
    keeper = PolicyKeeper(environment)
    keeper.load()
    mounted.write({"policy.yaml": "rules: {r: {value: 1}}"})
    assert [keeper.check(), keeper.check()] == [False, True]
    assert environment.policy.policy.rules["r"].value == 1


def test_the_folder_of_a_script_is_that_of_the_file_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "enabled").mkdir()
    (tmp_path / "library" / "it.py").touch()
    (tmp_path / "enabled" / "absolute.py").symlink_to(tmp_path / "library" / "it.py")
    (tmp_path / "enabled" / "relative.py").symlink_to("../library/it.py")
    (tmp_path / "enabled" / "twice.py").symlink_to("relative.py")
    for name in ("absolute", "relative", "twice"):
        assert folder_of(tmp_path / "enabled" / f"{name}.py") == tmp_path / "library"
    (tmp_path / "enabled" / "round.py").symlink_to("round.py")
    assert folder_of(tmp_path / "enabled" / "round.py") == tmp_path / "enabled"
