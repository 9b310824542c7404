import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from capture.tshark.program import tshark_available
from tapline.demo import DEMO_CAPTURE

DEMO = str(DEMO_CAPTURE)
READ = [sys.executable, "-m", "tapline", "read"]


def test_documents_are_those_of_elasticsearch_one_a_line(tapline) -> None:
    result = tapline("read", "--json", "--depth", "light", DEMO)
    assert (result.code, result.err) == (0, "")
    documents = [json.loads(line) for line in result.out.splitlines()]
    assert {document["event"]["dataset"] for document in documents} == {"tapline.flow"}
    packets = sum(document["network"]["packets"] for document in documents)
    assert packets == 2941 - 174, "all packets but ARP's"


def test_the_same_capture_gives_the_same_lines_in_the_same_order(tapline) -> None:
    assert tapline("read", "--json", DEMO).out == tapline("read", "--json", DEMO).out


def test_people_get_a_line_a_record(tapline) -> None:
    json_lines = tapline("read", "--json", "--depth", "light", DEMO).out.splitlines()
    lines = tapline("read", "--depth", "light", DEMO).out.splitlines()
    assert len(lines) == len(json_lines)
    assert any("tcp HTTP" in line for line in lines)


def test_deep_without_tshark_is_light_and_says_so(tapline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = tapline("read", "--json", "--depth", "deep", "--engine", "tshark", DEMO)
    assert result.code == 0
    assert result.err == "tapline: tshark is not installed: only flows are shown (apt install tshark)\n"
    assert '"tapline.flow"' in result.out


def test_standard_input_is_read_like_a_file(tapline) -> None:
    with DEMO_CAPTURE.open("rb") as capture:
        read = subprocess.run(
            [*READ, "--json", "--depth", "light", "-"], stdin=capture, capture_output=True, text=True, check=True
        )
    from_file = tapline("read", "--json", "--depth", "light", DEMO).out

    def sums(text: str) -> tuple[int, int]:
        documents = [json.loads(line) for line in text.splitlines()]
        return len(documents), sum(document["network"]["bytes"] for document in documents)

    assert sums(read.stdout) == sums(from_file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.pcap", b"", "empty.pcap is empty"),
        ("text.pcap", b"no capture at all", "text.pcap is neither pcap nor pcapng"),
        ("missing.pcap", None, "missing.pcap does not exist"),
        (".", None, ". is a directory"),
        ("no-such-interface0", None, "no-such-interface0"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_code_1(tapline, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    result = tapline("read", name)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("tapline: ")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_a_capture_that_cannot_be_read_does_not_keep_the_next_from_it(tapline) -> None:
    result = tapline("read", "--depth", "light", "missing.pcap", DEMO)
    assert result.code == 1
    assert len(result.out.splitlines()) > 100


def test_a_capture_cut_short_is_read_as_far_as_it_goes(tapline) -> None:
    Path("cut.pcap").write_bytes(DEMO_CAPTURE.read_bytes()[:100_000])
    result = tapline("read", "--depth", "light", "cut.pcap")
    assert result.code == 1
    assert "cut short" in result.err
    assert result.err.count("\n") == 1
    assert len(result.out.splitlines()) > 10


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"set -o pipefail; {' '.join(READ)} --depth light {DEMO} | head -1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1


def test_an_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with (
        subprocess.Popen([*READ, "--depth", "light", fifo], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        fifo.open("wb") as writer,
    ):
        writer.write(DEMO_CAPTURE.read_bytes()[:400_000])
        writer.flush()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert b"Traceback" not in errors


@pytest.mark.skipif(tshark_available() is None, reason="tshark is not installed (apt install tshark)")
def test_a_capture_cut_short_is_read_by_both_engines(tapline) -> None:
    Path("cut.pcap").write_bytes(DEMO_CAPTURE.read_bytes()[:200_000])
    result = tapline("read", "--depth", "deep", "--json", "cut.pcap")
    assert result.code == 1
    datasets = {json.loads(line)["event"]["dataset"] for line in result.out.splitlines()}
    assert {"tapline.flow", "tapline.resource"} <= datasets
