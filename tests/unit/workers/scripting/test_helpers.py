"""Files beside a script that it imports: its own copy, watched with it, the same wherever scripts are run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from tapline.commands import script_status
from tapline.testing import run
from tests.integration.workers.stream import MadeStream
from topics.errors import TaplineError
from topics.records import Flow
from workers.pipeline import Pipeline
from workers.scripting.budget import Budget
from workers.scripting.check import problems
from workers.scripting.reload import ScriptFolders, ScriptReloader
from workers.scripting.scripts import load_file, load_files, load_folders
from workers.settings import WorkersSettings

FLOW = Flow(id="1", flow_id="1", time=1_700_000_000_000_000)
SCRIPT = """
    from tapline import SessionMonitor
    import helpers
    class {name}(SessionMonitor):
        def on_new_flow(self, flow): print("{name}", helpers.word())
"""
HELPER = "def word(): return {word!r}\n"


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(dedent(text), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    paths = sys.path.copy()
    yield
    assert sys.path == paths
    assert "helpers" not in sys.modules


def test_a_script_imports_what_lies_beside_it_and_folders_do_not_mix(tmp_path: Path) -> None:
    for name in ("One", "Two"):
        write(tmp_path / name, "helpers", HELPER.format(word=name.lower()))
        write(tmp_path / name, name.lower(), SCRIPT.format(name=name))
    both = [tmp_path / "One" / "one.py", tmp_path / "Two" / "two.py"]
    assert run(both, records=[FLOW]).printed == ["One one", "Two two"]


def test_scripts_share_nothing_of_a_helper(tmp_path: Path) -> None:
    write(tmp_path, "_counting", "seen = []\ndef count(it):\n    seen.append(it)\n    return len(seen)\n")
    for name in ("One", "Two"):
        text = """
            from tapline import SessionMonitor
            from _counting import count
            class {name}(SessionMonitor):
                def on_new_flow(self, flow): print(count(flow))
        """
        write(tmp_path, name.lower(), text.format(name=name))
    assert run([tmp_path / "one.py", tmp_path / "two.py"], records=[FLOW]).printed == ["1", "1"]


def test_helpers_import_helpers_also_while_hooks_run_and_what_they_print_is_the_scripts(tmp_path: Path) -> None:
    write(tmp_path, "helpers", "import others\ndef word():\n    import late\n    return others.word() + late.word()\n")
    write(tmp_path, "others", "import helpers\ndef word(): return 'other '\n")
    write(tmp_path, "late", "def word():\n    print('\\x1bsaid')\n    return 'late'\n")
    assert run(write(tmp_path, "it", SCRIPT.format(name="It")), records=[FLOW]).printed == [
        "\\x1bsaid",
        "It other late",
    ]


def test_monitors_of_a_helper_are_there_to_derive_from(tmp_path: Path) -> None:
    write(
        tmp_path,
        "_base",
        "from tapline import SessionMonitor\n"
        "class Base(SessionMonitor):\n    def on_new_flow(self, flow): print(self.word, self.script_name)\n",
    )
    path = write(tmp_path, "it", "from _base import Base\nclass It(Base): word = 'hello'\n")
    assert [script.name for script in load_files([path], {}).scripts] == ["It"]
    assert run(path, records=[FLOW]).printed == ["hello It"]
    assert problems(path) == []


def test_the_standard_library_and_tapline_are_what_they_are(tmp_path: Path) -> None:
    for name in ("json", "statistics", "tapline"):
        write(tmp_path, name, "raise AssertionError\n")
    path = write(tmp_path, "it", "import json, statistics\n" + dedent(SCRIPT.format(name="It")))
    write(tmp_path, "helpers", HELPER.format(word="yes"))
    assert run(path, records=[FLOW]).printed == ["It yes"]


def test_a_file_that_others_import_is_no_broken_script(tmp_path: Path) -> None:
    helper = write(tmp_path, "helpers", HELPER.format(word="x"))
    alone = write(tmp_path, "alone", "x = 1\n")
    it = write(tmp_path, "it", SCRIPT.format(name="It"))
    assert problems(helper) == []
    assert [problem.message for problem in problems(alone)] == [
        "defines no monitor or check; subclass one of tapline's, e.g. SessionMonitor"
    ]
    alone.unlink()
    assert [script.name for script in load_folders([tmp_path], {}).scripts] == ["It"]
    assert [script.name for script in load_files([helper, it], {}).scripts] == ["It"]
    listed = script_status.statuses([tmp_path], WorkersSettings(), script_status.WorkerTold())
    assert [(status.name, status.state) for status in listed] == [("It", "")]
    with pytest.raises(TaplineError, match=r"helpers\.py: defines no monitor"):
        load_files([helper], {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ndef word(:\n", r"helpers\.py:2: invalid syntax"),
        ("x = 1\n\n1 / 0\n", r"helpers\.py:3: ZeroDivisionError"),
        ("import helpers.deep\n", r"helpers\.py:1: ModuleNotFoundError: No module named 'helpers.deep'"),
        ("import surely_not_there\n", r"helpers\.py:1: ModuleNotFoundError.*or its file beside the script"),
    ],
)
def test_a_broken_helper_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "helpers", text)
    before = set(sys.modules)
    with pytest.raises(TaplineError, match=said):
        load_files([write(tmp_path, "it", SCRIPT.format(name="It"))], {})
    assert not {name for name in set(sys.modules) - before if name.startswith("tapline_script")}


def test_a_helper_that_fails_in_a_hook_is_named_with_its_line(tmp_path: Path) -> None:
    helper = write(tmp_path, "helpers", "def word():\n    return 1 / 0\n")
    result = run(write(tmp_path, "it", SCRIPT.format(name="It")), records=[FLOW])
    assert [error.place for error in result.errors] == [f"{helper}:2"]


@pytest.mark.parametrize("text", ["while True: pass\n", "import time\ntime.sleep(60)\n"])
def test_a_helper_that_does_not_come_to_its_end_is_ended(tmp_path: Path, text: str) -> None:
    write(tmp_path, "helpers", text)
    path = write(tmp_path, "it", SCRIPT.format(name="It"))
    with pytest.raises(TaplineError, match=r"helpers\.py:\d: ran longer than 0\.25 s"):
        load_file(path, {}, Budget(WorkersSettings(load_seconds=0.25)))


class Watched:
    """A pipeline whose scripts come from a folder that is looked at as a worker would."""

    def __init__(self, folder: Path) -> None:
        settings = WorkersSettings(scripts=[str(folder)])
        self.folders = ScriptFolders(settings, Budget(settings))
        self.pipeline = Pipeline(self.folders.load(), partitions=1, settings=settings)
        self.pipeline.start()
        self._reloader = ScriptReloader(self.pipeline.environment, self.folders)
        self._round = 0

    def close(self) -> None:
        self.pipeline.stop()

    def look(self) -> bool:
        return any([self._reloader.check(), self._reloader.check()])

    def said(self, capsys: pytest.CaptureFixture[str]) -> set[str]:
        """What is printed of a flow."""
        self._round += 1
        stream = f"file-{self._round:016x}"
        self.pipeline.feed(MadeStream(windows=1, flows=3, nodes=1, partitions=1, stream=stream).messages())
        return set(capsys.readouterr().out.splitlines())


def test_a_change_of_a_helper_loads_the_scripts_that_import_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "helpers", "from _more import word\n")
    write(tmp_path, "_more", HELPER.format(word="one"))
    write(tmp_path, "it", SCRIPT.format(name="It"))
    loads = "from tapline import SessionMonitor\nclass Other(SessionMonitor):\n    def on_load(self): print('loaded')\n"
    write(tmp_path, "other", loads)
    with closing(Watched(tmp_path)) as watched:
        assert watched.said(capsys) == {"loaded", "It one"}
        assert not watched.look(), "nothing has changed"
        assert not watched.folders.broken
        write(tmp_path, "_more", HELPER.format(word="another"))
        assert watched.look()
        assert watched.said(capsys) == {"It another"}, "the other script goes on"
        write(tmp_path, "_more", "def word(:\n")
        assert not watched.look()
        (why,) = watched.folders.broken.values()
        assert "_more.py:1: " in why
        assert watched.said(capsys) == {"It another"}, "the version before runs on"
        write(tmp_path, "_more", HELPER.format(word="another"))
        assert not watched.look(), "it is as it was"
        assert not watched.folders.broken
        (tmp_path / "_more.py").touch()
        assert not watched.look()


def test_a_helper_that_was_missing_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "it", SCRIPT.format(name="It"))
    with closing(Watched(tmp_path)) as watched:
        assert len(watched.folders.broken) == 1
        write(tmp_path, "helpers", HELPER.format(word="here"))
        assert watched.look()
        assert not watched.folders.broken
        assert watched.said(capsys) == {"It here"}


def test_a_helper_that_is_first_needed_later_is_watched_from_then_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "late", "WORD = 'one'\n")
    text = """
        from tapline import SessionMonitor
        class It(SessionMonitor):
            def on_new_flow(self, flow):
                from late import WORD
                print(WORD)
    """
    write(tmp_path, "it", text)
    with closing(Watched(tmp_path)) as watched:
        assert watched.said(capsys) == {"one"}
        assert not watched.look()
        write(tmp_path, "late", "WORD = 'another'\n")
        assert watched.look()
        assert watched.said(capsys) == {"another"}


def test_a_link_to_a_script_imports_what_lies_beside_the_script(tmp_path: Path) -> None:
    write(tmp_path / "lib", "helpers", HELPER.format(word="there"))
    script = write(tmp_path / "lib", "it", SCRIPT.format(name="It"))
    (tmp_path / "enabled").mkdir()
    (tmp_path / "enabled" / "it.py").symlink_to(script)
    assert run(tmp_path / "enabled" / "it.py", records=[FLOW]).printed == ["It there"]
