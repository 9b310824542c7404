"""The policy in a worker: files that change, entries that come, what is wrong with either."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapline.monitors import SessionMonitor
from topics.errors import TaplineError
from topics.records import PolicyEntry
from workers.environment import Environment
from workers.policy import BROKEN_ALERT, PolicyKeeper
from workers.scripting.budget import Budget
from workers.scripting.host import ScriptHost
from workers.scripting.reload import ScriptFolders, ScriptReloader
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


@pytest.fixture
def environment(file: Path) -> Environment:
    return Environment(WorkersSettings(scripts=[], policy=[str(file)]), load_files([], {}), {})


def entry(key: str, value: str) -> PolicyEntry:
    return PolicyEntry(id=key, time=0, key=key, value=value)


def settle(keeper: PolicyKeeper) -> list[bool]:
    """Two looks: a change is taken when both see the same."""
    return [keeper.check(), keeper.check()]


def test_a_changed_file_holds_and_everybody_is_told(environment: Environment, file: Path) -> None:
    told: list[int] = []
    environment.policy_changed.append(lambda: told.append(environment.policy.version))
    keeper = PolicyKeeper(environment)
    keeper.load()
    file.write_text("rules: {r: {value: 1}}")
    assert settle(keeper) == [False, True]
    assert environment.policy.policy.rules["r"].value == 1
    assert told == [1, 2]
    assert settle(keeper) == [False, False]


def test_a_broken_file_changes_nothing_and_is_told_once(environment: Environment, file: Path) -> None:
    file.write_text("rules: {r: {value: 1}}")
    keeper = PolicyKeeper(environment)
    keeper.load()
    file.write_text("rules: {r: {value: lots of it}}")
    settle(keeper)
    assert environment.policy.policy.rules["r"].value == 1
    notices = list(environment.common_notices)
    assert [notice.type for notice in notices] == [BROKEN_ALERT]
    assert f"{file}:1: rules.r: value:" in notices[0].message
    file.write_text("rules: {r: {value: 22}}")
    settle(keeper)
    assert environment.policy.policy.rules["r"].value == 22


def test_a_broken_file_at_the_start_is_an_error(environment: Environment, file: Path) -> None:
    file.write_text("rulez: {}")
    with pytest.raises(TaplineError, match="did you mean rules"):
        PolicyKeeper(environment).load()


def test_entries_stand_above_the_file_until_they_are_taken_back(environment: Environment, file: Path) -> None:
    file.write_text("rules: {r: {value: 1}}")
    keeper = PolicyKeeper(environment)
    keeper.load()
    keeper.add([entry("rules/r", '{"value": 5}'), entry("pools/p", '{"members": ["192.0.2.1"]}')])
    assert keeper.check()
    assert environment.policy.policy.rules["r"].value == 5
    assert environment.policy.pools_of("host", "192.0.2.1") == ("p",)
    keeper.add([entry("rules/r", "")])
    assert keeper.check()
    assert environment.policy.policy.rules["r"].value == 1
    keeper.add([entry("pools/p", '{"members": ["192.0.2.1"]}')])
    assert not keeper.check(), "the same again changes nothing"


@pytest.mark.parametrize(
    ("key", "value"), [("rules/r", "{"), ("rulez/r", "{}"), ("rules/r", '{"select": {"pool": "none"}}'), ("", "{}")]
)
def test_an_entry_that_cannot_be_used_changes_nothing(environment: Environment, key: str, value: str) -> None:
    keeper = PolicyKeeper(environment)
    keeper.load()
    keeper.add([entry(key, value)])
    assert not keeper.check()
    assert environment.policy.policy.rules == {}
    assert [notice.type for notice in environment.common_notices] == [BROKEN_ALERT]


def test_an_entry_is_used_once_what_it_is_about_is_there(environment: Environment) -> None:
    keeper = PolicyKeeper(environment)
    keeper.load()
    keeper.add([entry("rules/r", '{"select": {"pool": "p"}}')], 3)
    assert not keeper.check()
    assert list(keeper.refused) == ["rules/r"]
    keeper.add([entry("pools/p", '{"members": ["192.0.2.1"]}')], 4)
    assert keeper.check()
    assert keeper.refused == {}
    assert environment.policy.policy.rules["r"].select.pool == "p"
    assert keeper.offset == 4


def test_settings_of_a_check_wait_for_the_check(environment: Environment) -> None:
    keeper = PolicyKeeper(environment)
    keeper.load()
    keeper.add([entry("checks/syn_flood_attacker", '{"enabled": false}')], 0)
    assert not keeper.check()
    environment.scripts = load_files([ROOT / "scripts" / "checks" / "floods_and_scans.py"], {})
    assert keeper.check()
    assert environment.policy.policy.checks["syn_flood_attacker"].enabled is False


SCRIPT = """
from tapline import FlowTracker, Params, SessionMonitor

class Counting(SessionMonitor):
    name = "counting"
    class params(Params):
        most: int = 1
        word: str = "x"
    def on_load(self):
        begun.append((self.params.most, self.params.word))
    def on_unload(self):
        begun.append("ended")

class Other(SessionMonitor):
    name = "other"
    def on_load(self):
        begun.append("other")

class Largest(FlowTracker):
    name = "largest"
    class params(Params):
        top: int = 10

begun = []
"""


class Running:
    """A script at work in a process, beside others, with parameters of the configuration."""

    def __init__(self, folder: Path, policy: Path) -> None:
        self.file = folder / "counting.py"
        self.file.write_text(SCRIPT)
        settings = WorkersSettings(
            scripts=[str(folder)], policy=[str(policy)], params={"counting": {"word": "configured"}}
        )
        budget = Budget(settings)
        folders = ScriptFolders(settings, budget)
        self.environment = Environment(settings, folders.load(), {})
        self.reloader = ScriptReloader(self.environment, folders)
        self.keeper = PolicyKeeper(self.environment)
        self.keeper.load()
        self.host = ScriptHost(self.environment, SessionMonitor, "flow-0")
        self.host.start()

    @property
    def begun(self) -> list[object]:
        """What the instances of the newest version of the file have told."""
        return list(sys.modules[self.environment.scripts.scripts[0].monitor.__module__].begun)

    def set(self, key: str, value: str) -> None:
        self.keeper.add([entry(key, value)])
        self.keeper.check()

    def save(self, text: str) -> None:
        self.file.write_text(text)
        self.reloader.check()
        self.reloader.check()


@pytest.fixture
def running(tmp_path: Path, file: Path) -> Iterator[Running]:
    folder = tmp_path / "scripts"
    folder.mkdir()
    made = Running(folder, file)
    yield made
    made.host.stop()


def test_a_script_begins_anew_with_the_parameters_that_are_set(running: Running) -> None:
    assert running.begun == [(1, "configured"), "other"]
    running.set("scripts/counting", '{"params": {"most": 5}}')
    assert running.begun[2:] == ["ended", (5, "configured")], "the others go on as they are"
    running.set("scripts/counting", '{"params": {"most": 5}, "comment": "why"}')
    assert len(running.begun) == 4, "the same parameters change nothing"
    running.set("scripts/counting", "")
    assert running.begun[4:] == ["ended", (1, "configured")]


def test_parameters_that_are_set_hold_for_a_file_that_changes(running: Running) -> None:
    running.set("scripts/counting", '{"params": {"most": 5}}')
    running.save(SCRIPT + "\n# changed\n")
    assert running.begun == [(5, "configured"), "other"], "it does not run with others in between"
    assert len(running.environment.scripts.scripts) == 3


def test_parameters_of_the_files_hold_from_the_start(tmp_path: Path, file: Path) -> None:
    file.write_text("scripts: {counting: {params: {most: 8}}}")
    folder = tmp_path / "scripts"
    folder.mkdir()
    running = Running(folder, file)
    assert running.begun == [(8, "configured"), "other"]
    running.host.stop()


@pytest.mark.parametrize(
    ("key", "params", "why"),
    [
        ("counting", '{"most": "many"}', "params: most: expected `int`"),
        ("counting", '{"mots": 1}', "did you mean most"),
        ("largest", '{"top": 0}', "give how many flows to list"),
        ("nobody", "{}", "there is no script nobody"),
        ("syn_flood", "{}", "there is no script syn_flood"),
    ],
)
def test_parameters_that_cannot_be_are_refused(key: str, params: str, why: str, running: Running) -> None:
    running.set(f"scripts/{key}", f'{{"params": {params}}}')
    assert why in running.keeper.refused[f"scripts/{key}"]
    assert running.begun == [(1, "configured"), "other"]
    assert any(why in notice.message for notice in running.environment.common_notices)


def test_parameters_that_no_longer_fit_a_changed_script_are_told(running: Running) -> None:
    running.set("scripts/counting", '{"params": {"most": 5}}')
    running.save(SCRIPT.replace("most: int = 1", 'most: str = "1"'))
    running.keeper.check()
    assert "scripts/counting" in running.keeper.refused
    assert running.begun == [("1", "configured"), "other"], "it runs with those of the configuration"
    running.save(SCRIPT)
    running.keeper.check()
    assert running.keeper.refused == {}
    assert running.begun == [(5, "configured"), "other"]
