"""Packet scripts that are enabled run where packets are read; what is wrong with them is one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tapline import Alert, AlertMonitor
from tapline.testing import run
from tests.unit.capture.wire import pcap
from tests.unit.capture_packet_scripts.made import datagrams, needs_tshark
from tests.waiting import wait_for

NUMBERS = '''
from typing import Any

from tapline import PacketMonitor, Params


class Numbers(PacketMonitor):
    """Alerts on the datagrams whose number has a 7."""

    name = "numbers"
    display_filter = 'data.data contains "7"'

    class params(Params):
        word: str = "seven"

    def on_packet(self, packet: Any) -> None:
        print("this must not get between the records")
        self.alert("number", self.ends, f"{self.params.word}: {bytes(packet.data.data).decode()}")
        self.count("Numbers", "all", sevens=1)
'''


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap(datagrams(40)))
    return path


def enabled(folder: Path, text: str = NUMBERS, name: str = "numbers") -> Path:
    path = folder / "scripts" / "enabled" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def sevens(out: str) -> list[str]:
    return [line.partition(": number ")[2] for line in out.splitlines() if "  alert  " in line]


@needs_tshark
def test_read_runs_them_beside_what_it_reads(tapline, tmp_path: Path, capture: Path) -> None:
    enabled(tmp_path)
    result = tapline("read", "--depth", "light", str(capture))
    assert (result.code, result.err) == (0, "")
    assert sevens(result.out) == ["7", "17", "27", "37"]
    assert "  flow  " in result.out


@needs_tshark
def test_the_records_are_named_after_the_file_and_the_scripts(tapline, tmp_path: Path, capture: Path) -> None:
    def ids() -> list[str]:
        lines = tapline("read", "--depth", "light", "--json", str(capture)).out.splitlines()
        documents = [json.loads(line) for line in lines]
        alerts = [each for each in documents if each["event"]["dataset"] == "tapline.alert"]
        assert all("-packets-" in each["tapline"]["stream"] for each in alerts)
        return [each["event"]["id"] for each in alerts]

    path = enabled(tmp_path)
    first = ids()
    assert len(set(first)) == 4
    assert ids() == first
    path.write_text(NUMBERS.replace("seven", "one more"))
    assert not {*ids()} & {*first}


@needs_tshark
def test_a_stream_is_shown_to_them_too_with_the_parameters_of_the_configuration(tmp_path: Path, capture: Path) -> None:
    enabled(tmp_path)
    (tmp_path / "tapline.yaml").write_text("workers:\n  params:\n    numbers: {word: SEVEN}\n")
    with capture.open("rb") as packets:
        done = subprocess.run(
            [sys.executable, "-m", "tapline", "read", "--depth", "light", "-"],
            cwd=tmp_path,
            stdin=packets,
            capture_output=True,
            text=True,
            check=True,
        )
    assert sevens(done.stdout) == ["7", "17", "27", "37"]
    assert done.stdout.count("number: SEVEN: number") == 4
    assert done.stderr.count("this must not get between the records") == 4


@needs_tshark
def test_a_wrong_filter_is_one_line_before_anything_is_read(tapline, tmp_path: Path, capture: Path) -> None:
    path = enabled(tmp_path, NUMBERS.replace("data.data contains", "data.dat contains"))
    for command in (("read", str(capture)), ("capture", str(capture)), ("try", str(path), str(capture))):
        result = tapline(*command)
        assert (result.code, result.out) == (1, "")
        assert result.err.count("\n") == 1
        assert "numbers.py: numbers: display_filter: " in result.err
        assert "data.dat" in result.err


@needs_tshark
def test_check_and_enable_ask_tshark_about_the_filter(tapline, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(NUMBERS.replace("data.data contains", "data.dat contains"))
    checked = tapline("scripts", "check", "mine.py")
    assert checked.code == 1
    (line,) = checked.out.splitlines()
    assert line.startswith("mine.py:11: display_filter of Numbers: ")
    assert "data.dat" in line
    refused = tapline("scripts", "enable", "mine.py")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert not (tmp_path / "scripts" / "enabled" / "mine.py").exists()
    path.write_text(NUMBERS)
    assert tapline("scripts", "check", "mine.py").out == "1 file, nothing is wrong\n"
    assert tapline("scripts", "enable", "mine.py").code == 0


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "    display_filter = 'data.data contains \"7\"'\n",
            "",
            "display_filter has to be a display filter of Wireshark",
        ),
        ("'data.data contains \"7\"'", "7", "display_filter has to be a display filter of Wireshark"),
        ("display_filter", "displayfilter", "did you mean display_filter?"),
        (
            "on_packet",
            "on_packets",
            "on_packets is no hook of PacketMonitor and is never called; did you mean on_packet?",
        ),
        ("def on_packet(", "def on_message(self, message): ...\n\n    def on_packet(", "hear no messages"),
    ],
)
def test_what_a_packet_script_cannot_be_is_told(tapline, tmp_path: Path, before: str, after: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(NUMBERS.replace(before, after))
    assert said in tapline("scripts", "check", "mine.py").out


def test_without_tshark_it_is_one_line(tapline, tmp_path: Path, capture: Path, monkeypatch) -> None:
    path = enabled(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for command in (("read", str(capture)), ("try", str(path), str(capture))):
        result = tapline(*command)
        assert (result.code, result.out) == (1, "")
        assert result.err == "tapline: packet scripts need tshark: install it (apt install tshark), or disable them\n"
    assert "packet scripts need tshark" in tapline("scripts", "check", str(path)).out


@needs_tshark
def test_one_that_raises_is_told_with_file_and_line_and_the_others_go_on(tmp_path: Path, capture: Path) -> None:
    enabled(tmp_path)
    enabled(tmp_path, NUMBERS.replace("numbers", "broken").replace('print("', 'raise ValueError("'), "broken")
    done = subprocess.run(
        [sys.executable, "-m", "tapline", "read", "--depth", "light", str(capture)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sevens(done.stdout) == ["7", "17", "27", "37"]
    assert "script broken failed in on_packet at scripts/enabled/broken.py:17: ValueError" in done.stderr


@needs_tshark
def test_no_process_is_left_where_the_reader_is_killed(tmp_path: Path) -> None:
    enabled(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = subprocess.Popen(
        [sys.executable, "-m", "tapline", "read", "--depth", "light", "fifo"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with fifo.open("wb") as output:
        output.write(pcap(datagrams(40)))
        output.flush()
        assert reader.stdout is not None
        assert b"alert" in reader.stdout.readline()
        children = descendants(reader.pid)
        assert len(children) >= 2, "the scripts' process and its tshark"
        reader.send_signal(signal.SIGKILL)
        reader.wait()
        reader.stdout.close()
        # Nothing of them is still there in the end: the kernel ends each with its parent.
        wait_for(lambda: all(is_gone(pid) for pid in children), "their end")


def descendants(pid: int) -> list[int]:
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(each) for each in (task / "children").read_text().split()]
    children = list(dict.fromkeys(children))
    return [*children, *(inner for child in children for inner in descendants(child))]


def is_gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


@needs_tshark
def test_other_enabled_scripts_are_not_run_by_a_capture_node(tapline, tmp_path: Path, capture: Path) -> None:
    enabled(tmp_path, "raise RuntimeError('a script of the workers, broken as it may be')\n", "other")
    result = tapline("read", "--depth", "light", str(capture))
    assert (result.code, result.err) == (0, "")


class Told(AlertMonitor):
    """Keeps what it hears of the packet script."""

    def on_load(self) -> None:
        HEARD.clear()

    def on_new_alert(self, alert: Alert) -> None:
        HEARD.append(alert.message)


HEARD: list[str] = []


@needs_tshark
def test_other_scripts_see_what_they_emit_and_counters_are_totals(tmp_path: Path, capture: Path) -> None:
    result = run([enabled(tmp_path), Told], capture, depth="light")
    assert not result.errors
    assert [alert.message.rpartition(" ")[2] for alert in result.alerts] == ["7", "17", "27", "37"]
    assert [message.rpartition(" ")[2] for message in HEARD] == ["7", "17", "27", "37"]
    assert [counter.meters["sevens"] for counter in result.counters] == [4]
    assert result.called("on_packet", "numbers") == 4
    assert result.printed == ["this must not get between the records"] * 4


@needs_tshark
def test_try_shows_them_a_stream(tmp_path: Path, capture: Path) -> None:
    path = enabled(tmp_path)
    with capture.open("rb") as packets:
        done = subprocess.run(
            [sys.executable, "-m", "tapline", "try", str(path), "-"],
            cwd=tmp_path,
            stdin=packets,
            capture_output=True,
            text=True,
            check=True,
        )
    assert sevens(done.stdout) == ["7", "17", "27", "37"]
    assert "numbers  on_packet      4" in done.stdout
