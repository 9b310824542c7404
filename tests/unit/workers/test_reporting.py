"""What a process reports of itself."""

from __future__ import annotations

from topics.catalog import MESSAGE
from topics.codec import open_message
from topics.records import Message, PolicyEntry
from topics.worker_reports import PARTITION, WorkerReport, report_of
from workers.environment import Environment
from workers.policy import PolicyKeeper
from workers.reporting import Reporter
from workers.scripting.scripts import load_files
from workers.scripting.standing import InstanceState, Standing
from workers.settings import WorkersSettings
from workers.windows.outbox import Outgoing


def told(out: Outgoing | None) -> WorkerReport:
    assert out is not None
    assert (out.topic, out.partition) == (MESSAGE, PARTITION)
    ((message,),) = [open_message(out.envelope.headers(), out.body, MESSAGE)[1]]
    report = report_of(message)
    assert report is not None
    return report


def test_a_change_of_the_policy_is_reported_at_once() -> None:
    keeper = PolicyKeeper(Environment(WorkersSettings(scripts=[], policy=[]), load_files([], {}), {}))
    keeper.load()
    reporter = Reporter(keeper)
    assert told(reporter.due()).policy == -1
    assert reporter.due() is None
    keeper.add([PolicyEntry(id="1", time=1, key="rules/r", value='{"value": 1}')], 7)
    keeper.check()
    assert told(reporter.due()).policy == 7
    keeper.add([PolicyEntry(id="2", time=2, key="rules/r", value='{"value": "much"}')], 8)
    keeper.check()
    report = told(reporter.due())
    assert report.policy == 8
    assert "no number" in report.refused["rules/r"]
    assert reporter.due() is None


def test_how_scripts_fare_is_in_it() -> None:
    standing = Standing()
    tally = standing.tally("short-ssh", "on_flush")
    tally.calls, tally.errors, tally.seconds = 5, 2, 0.5
    tally.last_error = "scripts/short_ssh.py:12: ValueError: no"
    standing.tally("short-ssh", "on_unload")
    for identity in (1, 2):
        standing.instance(identity, InstanceState("short-ssh", "scripts/short_ssh.py", "running", ""))
    standing.broken({"scripts/other.py": "scripts/other.py:3: SyntaxError"})
    keeper = PolicyKeeper(Environment(WorkersSettings(scripts=[], policy=[]), load_files([], {}), {}))
    report = Reporter(keeper, standing).report()
    (hook,) = report.hooks
    assert (hook.hook, hook.calls, hook.errors, hook.last_error) == ("on_flush", 5, 2, tally.last_error)
    assert [(each.script, each.state, each.count) for each in report.instances] == [
        ("short-ssh", "running", 2),
        ("", "broken", 1),
    ]


def test_a_message_of_a_script_is_no_report() -> None:
    assert report_of(Message(id="m", time=1, subject="mine", payload="{}")) is None
