"""`tapline scripts`: new scripts, and which of them the workers run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tapline as tapline_api
from tapline import monitors
from tapline.checks.hooks import hooks_of
from tapline.commands.script_files import SKELETONS, kinds, shipped
from tapline.demo import DEMO_CAPTURE
from tapline.testing import run

MONITORS = [kind for kind in kinds() if kind != "faust_agent"]


def test_there_is_a_skeleton_of_every_kind() -> None:
    assert set(kinds()) == {
        "alert_monitor",
        "cg_monitor",
        "counter_group",
        "engine_monitor",
        "faust_agent",
        "flow_check",
        "flow_tracker",
        "fts_monitor",
        "host_check",
        "interface_check",
        "network_check",
        "packet_monitor",
        "resource_check",
        "resource_monitor",
        "sg_monitor",
        "snmp_device_check",
        "snmp_interface_check",
        "syslog_handler",
        "system_check",
    }


@pytest.mark.parametrize("kind", MONITORS)
def test_a_new_script_is_named_and_runs_as_it_is(tapline, tmp_path: Path, kind: str) -> None:
    result = tapline("scripts", "new", kind, "my_own")
    assert (result.code, result.err) == (0, "")
    assert "wrote my_own.py" in result.out
    text = (tmp_path / "my_own.py").read_text(encoding="utf-8")
    assert "class MyOwn(" in text
    assert 'name = "my_own"' in text
    assert "keleton" not in text
    assert not run(tmp_path / "my_own.py", DEMO_CAPTURE, depth="light").errors


def test_every_hook_of_a_skeleton_that_stands_in_comments_is_one() -> None:
    types = {
        "alert_monitor": monitors.AlertMonitor,
        "cg_monitor": monitors.CounterMonitor,
        "engine_monitor": monitors.EngineMonitor,
        "flow_tracker": monitors.FlowTracker,
        "fts_monitor": monitors.FullTextMonitor,
        "packet_monitor": monitors.PacketMonitor,
        "resource_monitor": monitors.ResourceMonitor,
        "sg_monitor": monitors.SessionMonitor,
    }
    for kind, monitor in types.items():
        text = (SKELETONS / f"{kind}.py").read_text(encoding="utf-8")
        named = set(re.findall(r"def (\w+)\(self", text))
        assert named <= set(dir(monitor)), f"{kind}: {named - set(dir(monitor))}"
        own = {name for name in vars(monitor) if name.startswith(("on_", "flush", "topper", "metric"))}
        assert own <= named, f"{kind} leaves out {own - named}"
    for check in (value for value in vars(tapline_api).values() if isinstance(value, type) and hooks_of(value)):
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", check.__name__).lower()
        named = set(re.findall(r"def (\w+)\(self", (SKELETONS / f"{kind}.py").read_text(encoding="utf-8")))
        assert named == {*hooks_of(check), "setup", "teardown"}, kind


def test_the_skeletons_keep_to_the_types() -> None:
    files = map(str, sorted(SKELETONS.glob("*.py")))
    command = [sys.executable, "-m", "mypy", "--strict", *files]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("sg_monitor", "there"), 1, "there.py is there already"),
        (("sg_monitor", "Not-A-Name"), 1, "'Not-A-Name' is no name for a script"),
        (("session_monitor", "it"), 2, "there is no skeleton of 'session_monitor'; there are alert_monitor,"),
    ],
)
def test_a_new_script_replaces_nothing(
    tapline, tmp_path: Path, arguments: tuple[str, str], code: int, message: str
) -> None:
    (tmp_path / "there.py").write_text("mine", encoding="utf-8")
    result = tapline("scripts", "new", *arguments)
    assert result.code == code
    assert message in result.err
    assert (tmp_path / "there.py").read_text(encoding="utf-8") == "mine"


def test_enabled_scripts_are_those_the_workers_run(tapline, tmp_path: Path) -> None:
    tapline("scripts", "new", "sg_monitor", "mine/short_ssh")
    result = tapline("scripts", "enable", "mine/short_ssh.py", "ssh_alerts")
    assert (result.code, result.err) == (0, "")
    listed = tapline("scripts", "list").out
    assert "short_ssh" in listed
    assert "ssh_alerts" in listed
    mine = tmp_path / "mine" / "short_ssh.py"
    mine.write_text(mine.read_text(encoding="utf-8").replace("10_000_000", "77"), encoding="utf-8")
    assert "max_bytes=77" in tapline("scripts", "list").out, "there is one file to change"
    assert tapline("scripts", "enable", "ssh_alerts").code == 0, "it is enabled already"
    assert tapline("scripts", "disable", "short_ssh", "ssh_alerts").code == 0
    assert "no scripts" in tapline("scripts", "list").out
    assert mine.exists()
    result = tapline("scripts", "disable", "short_ssh")
    assert (result.code, result.out) == (1, "")
    assert "no script short_ssh is enabled (looked in scripts/enabled)" in result.err


def test_a_script_that_is_no_link_is_set_aside_and_comes_back(tapline, tmp_path: Path) -> None:
    tapline("scripts", "new", "sg_monitor", "scripts/enabled/only")
    text = (tmp_path / "scripts/enabled/only.py").read_text(encoding="utf-8")
    assert "kept as scripts/enabled/_only.py" in tapline("scripts", "disable", "only").out
    assert "no scripts" in tapline("scripts", "list").out
    assert tapline("scripts", "enable", "only").code == 0
    assert (tmp_path / "scripts/enabled/only.py").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken.py", "broken.py:1: "),
        ("missing", "there is no missing.py, and no script of that name ships"),
        ("other/ssh_alerts.py", "scripts/enabled/ssh_alerts.py is another script of that name"),
    ],
)
def test_what_cannot_be_used_is_not_enabled(tapline, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "broken.py").write_text("def broken(:\n", encoding="utf-8")
    tapline("scripts", "new", "sg_monitor", "other/ssh_alerts")
    tapline("scripts", "enable", "ssh_alerts")
    result = tapline("scripts", "enable", name)
    assert result.code == 1
    assert message in result.err
    assert len(list((tmp_path / "scripts/enabled").iterdir())) == 1


def test_what_is_wrong_with_a_script_is_told_with_its_line(tapline, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from tapline import SessionMonitor\n\n\nclass Wrong(SessionMonitor):\n"
        "    def on_flosh(self, flow):\n        print(flow)\n",
        encoding="utf-8",
    )
    (tmp_path / "broken.py").write_text("def broken(:\n", encoding="utf-8")
    result = tapline("scripts", "check", "wrong.py", "broken.py")
    assert result.code == 1
    lines = result.out.splitlines()
    assert any(line.startswith("wrong.py:5: ") and "on_flush" in line for line in lines)
    assert any(line.startswith("broken.py:1: ") for line in lines)
    assert tapline("scripts", "check", "missing.py").err == "tapline: missing.py is no file: check the path\n"
    listed = json.loads(tapline("scripts", "check", "--json", "broken.py").out)
    assert [(each["file"], each["line"]) for each in listed] == [("broken.py", 1)]


def test_nothing_is_wrong_with_what_ships(tapline) -> None:
    files = [*SKELETONS.glob("*.py"), *(path for folder in shipped() for path in folder.glob("[!_]*.py"))]
    result = tapline("scripts", "check", *map(str, files))
    assert (result.code, result.err) == (0, ""), result.out
    assert f"{len(files)} files, nothing is wrong" in result.out


def test_an_agent_is_checked_as_one(tapline, tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("def attach(app): pass\n", encoding="utf-8")
    result = tapline("scripts", "check", "agent.py")
    assert result.code == 1
    assert result.out.startswith("agent.py:1: defines no `def attach(app, topics)`")
