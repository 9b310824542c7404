"""Commands where Kafka and Elasticsearch are not there: one line that says what to do, and code 1."""

import json
from pathlib import Path

import pytest

from tapline.demo import DEMO_CAPTURE


@pytest.fixture(autouse=True)
def _nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topics.admin._TIMEOUT", 0.3)
    monkeypatch.setattr("tapline.commands.holdings._START_SECONDS", 0.3)
    monkeypatch.setenv("TAPLINE_ELASTICSEARCH__HOSTS", "['http://127.0.0.1:1']")
    monkeypatch.setenv("TAPLINE_ELASTICSEARCH__START_TIMEOUT", "0.3")
    monkeypatch.setenv("TAPLINE_SERVICES__KAFKA_PORT", "0")
    monkeypatch.setenv("TAPLINE_SERVICES__ELASTICSEARCH_PORT", "0")


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["capture", str(DEMO_CAPTURE)], "Kafka"),
        (["worker"], "Kafka"),
        (["export", "elasticsearch", "--metrics-port", "-1"], "Elasticsearch"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tapline, arguments: list[str], missing: str) -> None:
    result = tapline(*arguments)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"tapline: cannot reach {missing} at ")
    assert "`tapline up`" in result.err
    assert result.err.count("\n") == 1


def test_status_shows_what_there_is_and_says_what_is_not(tapline) -> None:
    result = tapline("status")
    assert result.code == 1
    assert [line.split()[0] for line in result.out.splitlines()] == ["engine", "kafka", "elasticsearch"]
    assert result.out.count("not running") == 2
    assert result.err.count("tapline: cannot reach") == 2


def test_status_for_programs(tapline) -> None:
    result = tapline("status", "--json")
    assert (result.code, result.err) == (1, "")
    told = json.loads(result.out)
    assert [engine["pid"] for engine in told["engines"]] == [None, None]
    assert len(told["problems"]) == 2


def test_doctor_says_what_to_do_about_each(tapline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TAPLINE_CAPTURE__ENGINE", "tshark")
    result = tapline("doctor")
    assert result.code == 1
    assert "Traceback" not in result.err
    todo = result.out.partition("What to do:\n")[2]
    assert "tshark: install it" in todo
    assert "kafka.bootstrap: start it with `tapline up`" in todo
    assert "elasticsearch.hosts: start it with `tapline up`" in todo


def test_doctor_for_programs(tapline) -> None:
    findings = {finding["subject"]: finding for finding in json.loads(tapline("doctor", "--json").out)}
    assert findings["python"]["verdict"] == "ok"
    assert findings["kafka.bootstrap"]["verdict"] == "problem"
    assert findings["disk"]["verdict"] == "ok"


def test_down_has_nothing_to_do(tapline) -> None:
    result = tapline("down")
    assert (result.code, result.out) == (0, "nothing was running\n")


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_taken_port_is_said_before_anything_is_started(
    tapline, monkeypatch: pytest.MonkeyPatch, free_port_taken: int, command: str
) -> None:
    monkeypatch.setenv("TAPLINE_SERVICES__KAFKA_PORT", str(free_port_taken))
    result = tapline(command)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"tapline: port {free_port_taken} for kafka")
    assert "services.kafka_port" in result.err
    assert not Path(".tapline").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["worker", "no_monitor"], "there is no monitor 'no_monitor'"),
        (["capture", "missing.pcap"], "missing.pcap does not exist"),
        (["capture", "."], ". is a directory"),
        (["capture", str(DEMO_CAPTURE), "lo"], "files and interfaces cannot be captured together"),
    ],
)
def test_a_mistake_is_said_before_kafka_is_looked_for(tapline, arguments: list[str], message: str) -> None:
    result = tapline(*arguments)
    assert (result.code, result.out) == (1, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_scripts_are_listed_with_what_they_run_with(tapline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPLINE_WORKERS__PARAMS", "{short: {limit: 7}}")
    Path("own").mkdir()
    Path("own/short.py").write_text(
        "from tapline import Params, SessionMonitor\n"
        "class Short(SessionMonitor):\n"
        "    '''Says when a flow is short.'''\n"
        "    name = 'short'\n"
        "    class params(Params):\n"
        "        limit: int = 5\n"
    )
    (script,) = json.loads(tapline("scripts", "list", "own", "--json").out)
    assert script == {
        "name": "short",
        "monitor": "SessionMonitor",
        "params": {"limit": 7},
        "file": "own/short.py",
        "purpose": "Says when a flow is short.",
        "state": "",
        "why": "",
        "instances": {},
        "hooks": [],
        "problems": [],
    }
    assert "limit=7" in tapline("scripts", "list", "own").out
    assert tapline("scripts", "list").out == "no scripts in scripts/enabled\n"


def test_a_group_that_nobody_has_is_told_in_the_list(tapline) -> None:
    Path("own").mkdir()
    text = (
        "from tapline import CounterMonitor\n"
        "class It(CounterMonitor):\n    group = {!r}\n    def on_flush(self, it): pass\n"
    )
    Path("own/it.py").write_text(text.format("Hots"))
    result = tapline("scripts", "list", "own")
    assert result.code == 0
    assert "own/it.py: line 3: It attaches to 'Hots', and there is no counter group of that name yet" in result.err
    Path("own/it.py").write_text(text.format("Mine"))
    Path("own/other.py").write_text("from tapline import CounterGroup\nMINE = CounterGroup('Mine')\n")
    assert "attaches to" not in tapline("scripts", "list", "own").err
