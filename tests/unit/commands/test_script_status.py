"""`tapline scripts list`: how scripts fare, from their files and from the workers' metrics pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tapline.commands.script_status import ask_workers
from tapline.process.health import Health
from tapline.process.metrics import MetricsServer
from workers.scripting.standing import InstanceState, Standing, Tally

SCRIPT = """from tapline import SessionMonitor
class {name}(SessionMonitor):
    def on_flush(self, flow): pass
"""


def standing(calls: int) -> Standing:
    """What a worker could have to tell."""
    standing = Standing()
    tally: Tally = standing.tally("Good", "on_flush")
    tally.calls, tally.seconds = calls, 0.25
    standing.tally("Bad", "on_flush").errors = 1
    standing.tally("Bad", "on_flush").calls = 1
    standing.instance(1, InstanceState("Good", "own/good.py", "running", ""))
    standing.instance(2, InstanceState("Bad", "own/bad.py", "running", ""))
    standing.instance(3, InstanceState("Bad", "own/bad.py", "suspended", 'on_flush "raised"'))
    standing.broken({"own/late.py": "own/late.py:2: invalid syntax"})
    return standing


@pytest.fixture
def port() -> Iterator[int]:
    """Two workers' metrics pages at the ports after the one returned."""
    for _ in range(20):
        registries = []
        for calls in (100, 20):
            registry = CollectorRegistry()
            registry.register(standing(calls))
            registries.append(registry)
        first = MetricsServer(Health(), port=0, registry=registries[0])
        first.start()
        assert first.address is not None
        second = MetricsServer(Health(), port=first.address[1] + 1, registry=registries[1])
        try:
            second.start()
        except Exception:  # noqa: BLE001 - the next port was taken: try another pair
            first.stop()
            continue
        try:
            yield first.address[1] - 1
        finally:
            first.stop()
            second.stop()
        return
    pytest.fail("no two ports in a row")


def own_scripts() -> None:
    Path("own").mkdir()
    for name in ("Good", "Bad", "Late", "Idle"):
        Path(f"own/{name.lower()}.py").write_text(SCRIPT.format(name=name), encoding="utf-8")


def test_what_workers_tell_is_added_up(tapline, port: int) -> None:
    own_scripts()
    result = tapline("scripts", "list", "own", "--metrics-port", str(port), "--json")
    found = {script["name"]: script for script in json.loads(result.out)}
    assert found["Good"]["state"] == "running"
    assert found["Good"]["instances"] == {"running": 2}
    assert found["Good"]["hooks"] == [{"hook": "on_flush", "calls": 120, "seconds": 0.5, "errors": 0}]
    assert (found["Bad"]["state"], found["Bad"]["why"]) == ("suspended", 'on_flush "raised"')
    assert found["Bad"]["instances"] == {"running": 2, "suspended": 2}
    assert found["Bad"]["hooks"][0]["errors"] == 2
    assert (found["Late"]["state"], found["Late"]["why"]) == ("broken", "own/late.py:2: invalid syntax")
    assert found["Idle"]["state"] == "not loaded"
    assert result.code == 1, "one is broken"
    told = tapline("scripts", "list", "own", "--metrics-port", str(port))
    assert ["Good", "on_flush", "120", "0.500", "0"] in [line.split() for line in told.out.splitlines()]
    assert 'Bad is suspended: on_flush "raised"' in told.err


def test_without_workers_the_files_speak(tapline) -> None:
    own_scripts()
    result = tapline("scripts", "list", "own")
    assert result.code == 0
    assert "Good    SessionMonitor  -" in result.out
    assert "no worker tells how they fare" in result.err


def test_a_broken_file_is_told_with_its_line_beside_the_others(tapline) -> None:
    own_scripts()
    Path("own/late.py").write_text("from tapline import SessionMonitor\nclass A(SessionMonitor\n", encoding="utf-8")
    result = tapline("scripts", "list", "own")
    assert result.code == 1
    assert "own/late.py:2: " in result.err
    assert "Good" in result.out


def test_a_page_of_something_else_is_no_worker() -> None:
    with MetricsServer(Health(), port=0, registry=CollectorRegistry()) as other:
        assert other.address is not None
        assert ask_workers("127.0.0.1", other.address[1] - 1, 1).workers == 0
