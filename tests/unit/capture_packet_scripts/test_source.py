"""Packets of files, streams and interfaces are shown to scripts: those the filters let through, each once."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time

import pytest

from capture.packet_scripts.program import filter_problem
from capture.packet_scripts.source import PacketSource
from capture.settings import CaptureSettings, PacketScriptSettings
from capture.source import CutShort, observe_file, observe_live, observe_stream
from tapline import PacketMonitor
from tapline.packets import packet_core
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture.test_live import allowed
from tests.unit.capture.wire import Frame, pcap, udp
from tests.unit.capture_packet_scripts.made import START, KeepingScripts, datagrams, needs_tshark
from tests.waiting import wait_for
from topics.errors import TaplineError
from workers.scripting.scripts import load_classes, script_set
from workers.settings import WorkersSettings

COUNT = 250
OFTEN = CaptureSettings(packet_scripts=PacketScriptSettings(packets_per_tshark=100))


def run_file(path, scripts) -> KeepingSink:
    sink = KeepingSink()
    PacketSource(observe_file("node", path.name, "ab" * 32), str(path), CaptureSettings(), scripts).run(sink)
    return sink


@needs_tshark
def test_python_sees_what_matches_and_nothing_else(tmp_path) -> None:
    path = tmp_path / "many.pcap"
    other = [Frame(START + 500_000 + place, udp("192.0.2.9", "192.0.2.8", 1, 2)) for place in range(300)]
    path.write_bytes(pcap([*datagrams(200), *other]))
    scripts = KeepingScripts('data.data contains "7"')
    sink = run_file(path, scripts)
    assert scripts.numbers('data.data contains "7"') == [number for number in range(1, 201) if "7" in str(number)]
    assert sink.counts["shown"] == len(scripts.seen) == 38
    assert scripts.called == ["start", "finish", "stop"]


@needs_tshark
def test_filters_of_several_scripts_are_shown_in_the_order_of_the_file(tmp_path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(datagrams(300)))
    scripts = KeepingScripts("frame.number % 2 == 0", "frame.number % 3 == 0", "frame.number > 290")
    run_file(path, scripts)
    numbers = [packet.number for _, packet in scripts.seen]
    assert numbers == sorted(numbers)
    assert scripts.numbers("frame.number % 3 == 0") == list(range(3, 301, 3))
    assert len(numbers) == 150 + 100 + 10


@needs_tshark
def test_windows_end_with_the_packets(tmp_path) -> None:
    path = tmp_path / "minutes.pcap"
    minute = 60_000_000
    path.write_bytes(pcap([Frame(START + n * minute, udp("192.0.2.1", "192.0.2.2", 1, 2)) for n in range(3)]))
    sink = run_file(path, KeepingScripts("udp"))
    first = START // 1_000_000
    assert sink.advanced[-1] == first + 60, "the last window ends with the source"


@needs_tshark
def test_a_file_that_is_cut_short_is_shown_as_far_as_it_goes(tmp_path) -> None:
    path = tmp_path / "short.pcap"
    path.write_bytes(pcap(datagrams(50))[:-5])
    scripts = KeepingScripts("udp")
    with pytest.raises(CutShort, match=r"short\.pcap is damaged or ends early"):
        run_file(path, scripts)
    assert scripts.numbers("udp") == list(range(1, 50))
    assert scripts.called == ["start", "finish", "stop"]


@needs_tshark
def test_what_is_no_capture_is_told(tmp_path) -> None:
    path = tmp_path / "text.pcap"
    path.write_text("This is no capture file.\n" * 20)
    scripts = KeepingScripts("udp")
    with pytest.raises(TaplineError, match=r"cannot read text\.pcap"):
        run_file(path, scripts)
    assert scripts.called == ["start", "stop"]


@needs_tshark
def test_a_stream_is_read_to_its_end(tmp_path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    scripts, sink = KeepingScripts("udp"), KeepingSink()
    source = PacketSource(observe_stream("node", "fifo", START), str(fifo), OFTEN, scripts)
    writer = threading.Thread(target=fifo.write_bytes, args=(pcap(datagrams(250)),))
    writer.start()
    source.run(sink)
    writer.join()
    assert scripts.numbers("udp") == list(range(1, 251))
    assert (sink.counts["read"], sink.counts["tshark_changes"]) == (250, 2)


@needs_tshark
def test_a_stream_that_ends_inside_a_packet_says_so(tmp_path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    scripts = KeepingScripts("udp")
    source = PacketSource(observe_stream("node", "a fifo", START), str(fifo), CaptureSettings(), scripts)
    writer = threading.Thread(target=fifo.write_bytes, args=(pcap(datagrams(20))[:-3],))
    writer.start()
    with pytest.raises(CutShort, match="a fifo ends inside a packet"):
        source.run(KeepingSink())
    writer.join()
    assert scripts.numbers("udp") == list(range(1, 20))


@needs_tshark
@allowed
def test_a_live_run_shows_each_packet_once_over_many_tsharks() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        place = receiver.getsockname()
        settings = CaptureSettings(
            filter=f"udp dst port {place[1]}", packet_scripts=PacketScriptSettings(packets_per_tshark=100)
        )
        scripts, sink = KeepingScripts('data.data contains "packet"', 'data.data contains "end"'), KeepingSink()
        source = PacketSource(observe_live("node", "lo", START), "lo", settings, scripts)
        problems: list[BaseException] = []

        def run() -> None:
            try:
                source.run(sink)
            except BaseException as error:  # noqa: BLE001 - told below
                problems.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            # Once one of these is seen, the interface is captured.
            send_until(sender, place, b"packet begin", lambda: scripts.seen, thread)
            for number in range(COUNT):
                sender.sendto(b"packet %d" % number, place)
            send_until(sender, place, b"end", lambda: scripts.numbers('data.data contains "end"'), thread)
        finally:
            source.stop()
            thread.join()
    assert not problems
    payloads = [packet.data.data for name, packet in scripts.seen if "packet" in name]
    numbered = [int(payload.split()[1]) for payload in payloads if payload != b"packet begin"]
    assert numbered == sorted(set(numbered)), "each once, and in order"
    assert len(numbered) + sink.counts["missed.kernel"] >= COUNT
    if not sink.counts["missed.kernel"]:
        assert numbered == list(range(COUNT))
    assert sink.counts["tshark_changes"] >= 2
    assert sink.counts["read"] == len(scripts.seen), "all that was read was shown"


def send_until(sender, place, payload: bytes, seen, thread) -> None:
    """Send this now and then until it is seen, or nobody looks any more."""
    while not seen() and thread.is_alive():
        sender.sendto(payload, place)
        time.sleep(0.05)


@needs_tshark
def test_an_interface_that_is_none_is_told() -> None:
    scripts = KeepingScripts("udp")
    source = PacketSource(observe_live("node", "nothing0", START), "nothing0", CaptureSettings(), scripts)
    with pytest.raises(TaplineError, match="cannot capture on nothing0"):
        source.run(KeepingSink())
    assert scripts.called == ["start", "finish", "stop"]


@needs_tshark
def test_a_file_that_is_stopped_is_given_up(tmp_path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(datagrams(300)))
    scripts = KeepingScripts("udp")
    source = PacketSource(observe_file("node", path.name, "ab" * 32), str(path), CaptureSettings(), scripts)
    source.stop()
    source.run(KeepingSink())
    assert scripts.seen == []
    assert scripts.called == ["start", "stop"]


@needs_tshark
@pytest.mark.parametrize(
    ("display_filter", "problem"),
    [
        ("dns.flags.rcode == 3", ""),
        ("frame", ""),
        ("dns.flags.rcod == 3", "dns.flags.rcod"),
        ("dns.flags.rcode ==", "Unexpected end of filter expression"),
        ('ip.src == "192.0.2.1', "quote"),
    ],
)
def test_tshark_says_what_is_wrong_with_a_filter(display_filter: str, problem: str) -> None:
    told = filter_problem(display_filter)
    assert (problem in told) if problem else (told == "")
    assert "\n" not in told


def test_without_tshark_it_is_said_what_to_do(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TaplineError, match=r"packet scripts need tshark: install it \(apt install tshark\)"):
        filter_problem("frame")
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap([]))
    with pytest.raises(TaplineError, match="packet scripts need tshark"):
        run_file(path, KeepingScripts("udp"))


@needs_tshark
def test_no_tshark_is_left_behind(tmp_path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    source = PacketSource(observe_stream("node", "fifo", START), str(fifo), OFTEN, scripts := KeepingScripts("udp"))
    thread = threading.Thread(target=source.run, args=(KeepingSink(),))
    thread.start()
    with fifo.open("wb") as output:
        output.write(pcap(datagrams(30)))
        output.flush()
        wait_for(lambda: scripts.seen or not thread.is_alive(), "a packet to be shown")
        source.stop()
        thread.join()
    children = subprocess.run(
        ["ps", "-o", "comm=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    ).stdout.split()
    assert "tshark" not in children
    assert scripts.called == ["start", "finish", "stop"]


class EachWindow(PacketMonitor):
    """Emits something for each packet, and at the end of each window."""

    name = "each window"
    display_filter = "udp"

    def on_packet(self, packet) -> None:
        self.count("Packets", str(packet.number), seen=1)

    def on_end_flush(self, window: int) -> None:
        self.count("Windows", str(window), ended=1)


@needs_tshark
def test_what_scripts_emit_is_put_into_windows_that_are_open(tmp_path) -> None:
    path = tmp_path / "minutes.pcap"
    minute = 60_000_000
    # The third goes back behind a window that is over.
    times = [START, START + 5 * minute, START + minute, START + 9 * minute]
    path.write_bytes(pcap([Frame(time, udp("192.0.2.1", "192.0.2.2", 1, 2)) for time in times]))
    scripts = load_classes([EachWindow], {}, script_set(()))
    sink = run_file(path, packet_core(scripts, WorkersSettings(), "file-made"))
    first = START // 1_000_000
    assert [(put.record.group, put.record.key, put.window - first) for put in sink.put_all] == [
        ("Packets", "1", 0),
        ("Windows", str(first), 0),
        ("Packets", "2", 300),
        ("Packets", "3", 300),
        ("Windows", str(first + 300), 300),
        ("Packets", "4", 540),
        ("Windows", str(first + 540), 540),
    ]
    assert sink.counts["calls.each window.on_packet"] == 4
