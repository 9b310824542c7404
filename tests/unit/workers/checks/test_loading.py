"""Files of checks: found, refused with a line, listed, tried, and changed while they run."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

import tapline
from tapline.checks import Check
from tapline.checks.hooks import HOOKS, hooks_of, written
from tapline.testing import run
from tests.unit.workers.checks.flows import by_window, flow, long_flow
from tests.unit.workers.made import messages
from topics.catalog import FLOW
from topics.errors import TaplineError
from workers.pipeline import Pipeline
from workers.scripting.check import problems
from workers.scripting.scripts import load_files


def written_file(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_a_file_of_checks_is_a_script(tmp_path: Path) -> None:
    path = written_file(
        tmp_path,
        """
        from tapline import FlowCheck, HostCheck, SyslogHandler

        class Common(FlowCheck):
            def look(self, flow): self.set_status(flow)

        class One(Common):
            default_value = "one;gt;5"
            def flow_end(self, flow): self.look(flow)

        class Two(HostCheck):
            def all(self, entity): pass

        class Three(SyslogHandler):
            def handle_event(self, message, host, priority, event): pass
        """,
    )
    loaded = load_files([path], {"One": {"operator": "lt"}})
    assert [script.name for script in loaded.scripts] == ["One", "Two", "Three"], "Common is there to derive from"
    assert (loaded.scripts[0].params.operator, loaded.scripts[0].params.threshold) == ("lt", 5.0)
    assert not problems(path)
    assert [each.name for each in run(path, records=[flow("one")]).annotations] == ["One"]


HOOK = "def all(self, flow): pass"


@pytest.mark.parametrize(
    ("base", "members", "why"),
    [
        ("FlowCheck", ["pass"], "Bad: has no hook and does nothing: write one of protocol_detected"),
        (
            "FlowCheck",
            ["def protocolDetected(self, flow): pass"],
            "protocolDetected is none, it is called protocol_detected",
        ),
        ("HostCheck", ["def flow_end(self, flow): pass"], "write one of min, five_minutes, hour, day, all"),
        ("SyslogHandler", ["def all(self): pass"], "write one of handle_event"),
        ("Check", ["def all(self): pass"], "derive it from one of FlowCheck, PeriodicCheck"),
        ("FlowCheck", ["all = 5"], "all has to be a method"),
        ("FlowCheck", ["def flow_end(self): pass"], "flow_end is called as flow_end(self, flow)"),
        ("FlowCheck", ["score = 300", HOOK], "score has to be a whole number from 0 to 250"),
        ("FlowCheck", ["client_share = 101", HOOK], "client_share has to be a whole number of percent"),
        ("FlowCheck", ["risks = 'x'", HOOK], "risks has to be a tuple"),
        ("FlowCheck", ["priority = 'high'", HOOK], "priority has to be a whole number"),
        ("FlowCheck", ["local_only = 'yes'", HOOK], "local_only has to be True or False"),
        ("FlowCheck", ["category = 'bad'", HOOK], "category has to be one of security"),
        ("FlowCheck", ["status = 'bad'", HOOK], "status has to be a FlowStatus"),
        ("FlowCheck", ["gui = 'form'", HOOK], "gui has to be a Gui"),
        ("FlowCheck", ["default_value = 'a;b'", HOOK], "mine.py:3: ValueError: default_value"),
    ],
)
def test_what_no_worker_can_use_is_refused(tmp_path: Path, base: str, members: list[str], why: str) -> None:
    imports = "from tapline import FlowCheck, HostCheck, SyslogHandler; from tapline.checks import Check\n\n"
    path = tmp_path / "mine.py"
    path.write_text(imports + "\n    ".join([f"class Bad({base}):", *members]), encoding="utf-8")
    with pytest.raises(TaplineError) as refused:
        load_files([path], {})
    assert why in str(refused.value)
    assert str(refused.value).startswith(f"{path}:")


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("def statusChanged(self, flow): pass", "is never called; did you mean status_changed?"),
        ("def min(self, entity): pass", "min is no hook of FlowCheck and is never called; it is one of PeriodicCheck"),
        ("def on_flush(self, flow): pass", "on_flush is no hook of FlowCheck and is never called"),
        ("def delta(self): pass", "delta hides what every check has by that name: give it another one"),
        ("priorty = 5", "priorty is nothing that FlowCheck knows; did you mean priority?"),
        ("producer = 'sshd'", "producer selects nothing in a FlowCheck"),
        ("def periodic_update(self, flow): flow.scores", "a Flow has no scores; did you mean score?"),
        ("def periodic_update(self, flow): self.params.limit", "there is no parameter limit; there are: none"),
    ],
)
def test_what_is_probably_wrong_is_told_with_its_line(tmp_path: Path, member: str, said: str) -> None:
    path = tmp_path / "mine.py"
    text = (
        f"from tapline import FlowCheck\n\nclass Mine(FlowCheck):\n    def flow_end(self, flow): pass\n    {member}\n"
    )
    path.write_text(text, encoding="utf-8")
    assert [(each.line, each.message) for each in problems(path) if said in each.message] != []
    assert {each.line for each in problems(path)} == {5}
    assert load_files([path], {}).scripts, "and it runs all the same"


def test_a_check_that_is_off_by_default_is_on_where_it_is_tried(tmp_path: Path) -> None:
    path = written_file(
        tmp_path,
        """
        from tapline import FlowCheck

        class Off(FlowCheck):
            default_enabled = False
            def flow_end(self, flow): self.trigger_status(flow)
        """,
    )
    assert [alert.type for alert in run(path, records=[flow("one")]).alerts] == ["Off"]


def test_a_check_that_is_changed_while_it_runs_goes_on_with_what_is_known_of_flows(tmp_path: Path) -> None:
    text = """
        from tapline import FlowCheck, FlowStatus

        class Mine(FlowCheck):
            def all(self, flow): self.trigger_status(flow, FlowStatus(name="VERSION", score=SCORE))
            def teardown(self): print("gone", "VERSION")
        """
    first, second = (
        load_files([written_file(tmp_path, text.replace("VERSION", name).replace("SCORE", score))], {})
        for name, score in (("before", "10"), ("after", "20"))
    )
    sent = [message for message in messages(FLOW, by_window(long_flow("long", 3)), 1) if message[0] is FLOW]
    with Pipeline(first, 1) as pipeline:
        pipeline.feed(sent[:2])
        pipeline.environment.scripts = second
        for host in list(pipeline.environment.hosts):
            host.swap()
        pipeline.feed(sent[2:])
        alerts = [alert for alert in pipeline.published["alert"] if alert.entity_kind]
    assert [(alert.type, alert.score) for alert in alerts] == [("before", 10), ("after", 20)]
    assert "score 30: after 20 (client 10, server 10), before 10" in alerts[1].message


def test_every_check_type_is_had_from_tapline() -> None:
    types = {value for value in vars(tapline).values() if isinstance(value, type) and issubclass(value, Check)}
    assert {base.__name__ for base in types} == {
        "FlowCheck",
        "HostCheck",
        "InterfaceCheck",
        "NetworkCheck",
        "ResourceCheck",
        "SnmpDeviceCheck",
        "SnmpInterfaceCheck",
        "SyslogHandler",
        "SystemCheck",
    }
    assert all(hooks_of(each) for each in types)
    assert not any(written(each) for each in types)
    assert all(hasattr(base, hook) for base, hooks in HOOKS.items() for hook in hooks)
