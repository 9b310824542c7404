"""`tapline try`: scripts over captures, in this process."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from capture.tshark.program import tshark_available
from tapline.demo import DEMO_CAPTURE
from tests.waiting import wait_for

DEMO = str(DEMO_CAPTURE)
TRY = [sys.executable, "-m", "tapline", "try"]

SHORT = """
    from tapline import CounterGroup, Meter, Params, SessionMonitor

    SEEN = CounterGroup("Seen", (Meter("flows"),))

    class Short(SessionMonitor):
        l7_proto = "SSH"
        class params(Params):
            max_bytes: int = 1_000_000
        def on_new_flow(self, flow):
            print("new", flow.destination_port)
            self.count(SEEN, flow.source_ip, flows=1)
        def on_flush(self, flow):
            if flow.total_bytes < self.params.max_bytes:
                self.alert("short-ssh", flow, f"{flow.total_bytes} bytes")
"""
FAILS = """
    from tapline import SessionMonitor

    class Fails(SessionMonitor):
        def on_new_flow(self, flow):
            return 1 / 0
"""
NAMES = """
    from tapline import ResourceMonitor

    class Names(ResourceMonitor):
        group = "dns"
        def on_new_resource(self, resource):
            print(resource.uri)
"""


def script(folder: Path, text: str, name: str = "it.py") -> str:
    (folder / name).write_text(dedent(text), encoding="utf-8")
    return str(folder / name)


def test_people_see_what_is_printed_and_emitted_and_which_hooks_were_called(tapline, tmp_path: Path) -> None:
    result = tapline("try", script(tmp_path, SHORT), DEMO)
    assert (result.code, result.err) == (0, "")
    told, _, table = result.out.partition("\n\n")
    assert "new 22" in told
    assert "short-ssh: 12,272 bytes".replace(",", "") in told
    assert "counter   Seen 10.20.1.66: flows 3" in told
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["script", "hook", "calls", "time", "errors"]
    calls = {row[1]: int(row[2]) for row in rows[1:] if row[0] == "Short"}
    assert calls["on_new_flow"] == told.count("new 22")
    assert calls["on_flush"] == told.count("short-ssh") > calls["on_new_flow"]


def test_programs_get_one_object_a_line(tapline, tmp_path: Path) -> None:
    result = tapline("try", "--json", script(tmp_path, SHORT), DEMO)
    objects = [json.loads(line) for line in result.out.splitlines()]
    assert {each["kind"] for each in objects} == {"printed", "alert", "counter", "hook"}
    assert {each["text"] for each in objects if each["kind"] == "printed"} == {"new 22"}
    alerts = [each["record"] for each in objects if each["kind"] == "alert"]
    assert {(alert["type"], alert["script"]) for alert in alerts} == {("short-ssh", "Short")}
    hooks = {each["hook"]: each for each in objects if each["kind"] == "hook"}
    assert hooks["on_flush"]["calls"] == len(alerts)
    assert tapline("try", "--json", script(tmp_path, SHORT), DEMO).out.count('"alert"') == len(alerts)


def test_parameters_come_from_the_command_line_and_else_from_the_configuration(tapline, tmp_path: Path) -> None:
    path = script(tmp_path, SHORT)
    (tmp_path / "tapline.yaml").write_text("workers: {params: {Short: {max_bytes: 1}}}\n", encoding="utf-8")
    assert "short-ssh" not in tapline("try", path, DEMO).out
    assert "short-ssh" in tapline("try", path, DEMO, "--param", "max_bytes=1000000").out


def test_a_script_that_raises_is_told_with_its_line_and_the_others_go_on(tapline, tmp_path: Path) -> None:
    result = tapline("try", script(tmp_path, FAILS), script(tmp_path, SHORT, "short.py"), DEMO)
    assert result.code == 1
    lines = result.err.splitlines()
    assert lines[0] == f"tapline: {tmp_path}/it.py:6: ZeroDivisionError: division by zero (in on_new_flow of Fails)"
    assert len(lines) == 5
    assert lines[-1].endswith("of Fails; more of these are counted only)")
    assert "short-ssh" in result.out
    assert "script-suspended" in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["it.py"], 2, "name a capture"),
        ([DEMO], 2, "name a script: a file that ends in .py"),
        (["missing.py", DEMO], 1, "missing.py is no file: check the path"),
        (["it.py", "missing.pcap"], 1, "missing.pcap does not exist: check the path"),
        (["it.py", DEMO, "--param", "max_bytes"], 2, "--param takes name=value"),
        (["it.py", DEMO, "--param", "max_bites=1"], 1, "no script has a parameter max_bites; there are: max_bytes"),
        (["it.py", DEMO, "--param", "max_bytes=many"], 1, "parameter Short.max_bytes: Expected `int`, got `str`"),
        (["broken.py", DEMO], 1, "broken.py:1: "),
    ],
)
def test_mistakes_are_one_line(tapline, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    script(tmp_path, SHORT)
    (tmp_path / "broken.py").write_text("def broken(:\n", encoding="utf-8")
    result = tapline("try", *arguments)
    assert result.code == code
    assert message in result.err
    assert "Traceback" not in result.err


def test_several_captures_are_streams_of_their_own(tapline, tmp_path: Path) -> None:
    copy = tmp_path / "other.pcap"
    copy.write_bytes(DEMO_CAPTURE.read_bytes()[:200_000])
    result = tapline("try", "--json", script(tmp_path, SHORT), DEMO, str(copy))
    assert "other.pcap" in result.err, "it is cut short, and said to be so"
    assert result.code == 1
    objects = [json.loads(line) for line in result.out.splitlines()]
    assert len({each["record"]["stream"] for each in objects if each["kind"] == "alert"}) == 2


def test_text_that_is_no_text_is_the_fault_of_its_script(tapline, tmp_path: Path) -> None:
    text = SHORT.replace('print("new", flow.destination_port)', "print(chr(0xD800))")
    printed = tapline("try", "--json", script(tmp_path, text), DEMO)
    assert printed.code == 0
    assert '{"kind":"printed","text":"?"}' in printed.out
    emits = tapline("try", script(tmp_path, SHORT.replace(' bytes")', ' bytes" + chr(0xD800))')), DEMO)
    assert emits.code == 1


def test_tshark_is_asked_only_where_a_script_needs_it(tapline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPLINE_CAPTURE__ENGINE", "tshark")
    if tshark_available():
        assert "\nwww." in f"\n{tapline('try', script(tmp_path, NAMES), DEMO).out}"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tapline("try", script(tmp_path, SHORT), DEMO).code == 0
    result = tapline("try", script(tmp_path, NAMES), DEMO)
    assert result.code == 1
    assert result.err.startswith("tapline: resources and documents need tshark")


def test_a_breakpoint_stops_in_the_hook_and_quit_ends_it(tmp_path: Path) -> None:
    path = script(tmp_path, SHORT.replace('print("new", flow.destination_port)', "breakpoint()"))
    debugged = subprocess.run(
        [*TRY, path, DEMO], input="p flow.application\nq\n", capture_output=True, text=True, check=False
    )
    assert debugged.returncode == 130
    assert debugged.stderr.strip() == ""
    assert f"> {path}(" in debugged.stdout
    assert "(Pdb) 'SSH'" in debugged.stdout


def test_standard_input_is_a_capture(tmp_path: Path) -> None:
    path = script(tmp_path, SHORT)
    with DEMO_CAPTURE.open("rb") as capture:
        piped = subprocess.run([*TRY, path, "-"], stdin=capture, capture_output=True, text=True, check=True)
    assert piped.stdout.count("short-ssh") > 0
    assert piped.stderr == ""


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    path = script(tmp_path, SHORT.replace('print("new", flow.destination_port)', 'print("x" * 100_000)'))
    piped = subprocess.Popen([*TRY, path, DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert piped.stdout is not None
    assert piped.stderr is not None
    piped.stdout.read(10)
    piped.stdout.close()
    assert piped.stderr.read() == ""
    piped.stderr.close()
    assert piped.wait(30) == 0


def test_an_interrupt_ends_it_with_the_table_of_what_was_called(tmp_path: Path) -> None:
    path = script(tmp_path, SHORT)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with (
        subprocess.Popen([*TRY, path, str(fifo)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        fifo.open("wb") as pipe,
    ):
        pipe.write(DEMO_CAPTURE.read_bytes()[:-10_000])
        pipe.flush()
        assert process.stdout is not None
        first = wait_for(process.stdout.readline, "the first line")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert first.startswith("new 22")
    assert "on_new_flow" in rest
    assert errors == ""
    assert process.returncode == 0, "a stream that is stopped is complete"


def test_it_is_done_with_a_small_capture_in_a_moment(tmp_path: Path) -> None:
    path = script(tmp_path, SHORT)
    command = [*TRY, path, DEMO]
    subprocess.run(command, check=True, capture_output=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.5, "of CPU time"


def test_it_begins_without_the_libraries_of_the_engines(tmp_path: Path) -> None:
    path = script(tmp_path, SHORT)
    code = (
        "import sys; from tapline.commands import run; assert run(sys.argv[1:]) == 0; "
        "loaded = {'faust', 'aiokafka', 'elasticsearch', 'rich'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code, "try", path, DEMO], check=True, capture_output=True)


def test_rules_of_a_policy_run_without_any_script(tmp_path: Path) -> None:
    policy = tmp_path / "rules.yaml"
    policy.write_text("rules:\n  big: {value: 180 kB}\nchecks:\n  not_here: {enabled: true}\n", encoding="utf-8")
    done = subprocess.run([*TRY, "--policy", policy, DEMO], check=True, capture_output=True, text=True)
    begun, over = (line for line in done.stdout.splitlines() if "10.20.1.66 " in line and " alert " in line)
    assert "threshold_cross: bytes is 183,298 bytes in 1 min (> 180,000)" in begun
    assert "threshold_cross is over" in over


def test_a_mistake_in_the_rules_is_one_line(tmp_path: Path) -> None:
    policy = tmp_path / "rules.yaml"
    policy.write_text("rules:\n  big:\n    period: 7 min\n", encoding="utf-8")
    done = subprocess.run([*TRY, "--policy", policy, DEMO], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"tapline: {policy}:3: rules.big: period has to be 1 min, 5 min, 1 h or 1 d, not 420 seconds\n"
    )
