"""The policy in a worker: files that change, entries that come, what is wrong with either."""

from pathlib import Path

import pytest

from topics.errors import TaplineError
from topics.records import PolicyEntry
from workers.environment import Environment
from workers.policy import BROKEN_ALERT, PolicyKeeper
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
