"""The engine as a source: windows, ids, ends of the input, and processes that fail."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from capture.settings import CaptureSettings
from capture.source import CutShort, observe_file, observe_live, observe_stream
from capture.tshark import TsharkSource, tshark_available
from tests.namespaces import cable, ip, needs_networks, own_network, sending
from tests.unit.capture.test_live import allowed
from tests.unit.capture.wire import Frame, icmp, pcap
from tests.unit.capture_tshark.conversations import (
    CLIENT,
    SERVER,
    START,
    Seen,
    TcpConversation,
    dns_over_udp,
    dns_query,
    see,
    source_of,
)
from tests.waiting import wait_for
from topics.errors import TaplineError

MINUTE = 60_000_000
WINDOW = START // 1_000_000


@pytest.fixture(autouse=True)
def _no_process_is_left():
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    after = {process.pid for process in psutil.Process().children(recursive=True)}
    assert after <= before


def quiet(time):
    return Frame(time, icmp(CLIENT, SERVER, 8))


def test_the_version_is_told():
    assert tshark_available()


def test_records_are_keyed_by_their_flow_and_count_in_the_window_of_their_time(tmp_path):
    seen = see(tmp_path / "x.pcap", [dns_over_udp("a.example"), dns_over_udp("b.example", START + MINUTE)])

    assert [put.window for put in seen.put_all] == [WINDOW] * 2 + [WINDOW + 60] * 2
    assert {put.key for put in seen.put_all} == {put.record.community_id for put in seen.put_all}
    assert seen.advanced[-1] == WINDOW
    assert seen.counts["frames"] == 2


def test_frames_without_content_end_windows_too(tmp_path):
    seen = see(tmp_path / "x.pcap", [dns_over_udp("a.example"), quiet(START + MINUTE), quiet(START + 5 * MINUTE)])

    assert len(seen.put_all) == 2
    assert seen.advanced[-1] == WINDOW + 4 * 60


def test_a_frame_from_the_past_counts_in_the_latest_window(tmp_path):
    frames = [dns_over_udp("a.example", START + 3 * MINUTE), dns_over_udp("b.example", START)]
    seen = see(tmp_path / "x.pcap", frames)

    assert [put.window for put in seen.put_all] == [WINDOW + 180] * 4
    assert [put.record.time for put in seen.put_all[::2]] == [START + 3 * MINUTE, START]


def test_the_same_file_makes_the_same_records(tmp_path):
    talk = TcpConversation(80).client(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" * 2).close()

    first, second = (see(tmp_path / "x.pcap", talk.frames).put_all for _ in range(2))

    assert first == second
    assert len({put.record.id for put in first}) == len(first) == 10


def test_a_file_that_ends_inside_a_packet_is_read_up_to_there(tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap([dns_over_udp("a.example"), dns_over_udp("b.example")])[:-5])
    seen = Seen()

    with pytest.raises(CutShort, match=r"^cut\.pcap .*cut short[^\n]*$"):
        TsharkSource(observe_file("node", path.name, "cd" * 32), str(path), CaptureSettings()).run(seen)

    assert [record.uri for record in seen.resources("dns")] == ["a.example"]
    assert seen.counts["truncated.input"] == 1


def test_what_is_no_capture_is_said_in_one_line(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no packets here, only words\n" * 9)

    with pytest.raises(TaplineError, match=r"^cannot read notes\.txt: [^\n]+$"):
        TsharkSource(observe_file("node", path.name, "cd" * 32), str(path), CaptureSettings()).run(Seen())


def test_without_tshark_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert tshark_available() is None
    with pytest.raises(TaplineError, match="install it, or capture with depth light"):
        source_of(tmp_path / "x.pcap", []).run(Seen())


def pretend(folder, monkeypatch, behaviour, version="with Lua"):
    """Put a tshark in front of the real one that answers what it must and then behaves so."""
    folder.mkdir()
    program = folder / "tshark"
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"--version) echo 'TShark (Wireshark) 4.0.17. Compiled {version}.';;\n"
        "-G) printf 'F\\tNumber\\tframe.number\\n';;\n"
        f"*) {behaviour};;\n"
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_tshark_that_dies_is_an_error_after_what_it_said(tmp_path, monkeypatch):
    line = (
        '{"layers":{"frame_number":["1"],"frame_time_epoch":["1700000040.5"],"frame_protocols":["eth:ip:udp:dns"],'
        '"ip_src":["10.0.0.1"],"ip_dst":["10.0.0.2"],"udp_srcport":["5"],"udp_dstport":["53"],"dns_flags":["0x0100"]}}'
    )
    behaviour = f"echo '{line}'; echo '{{\"layers\":'; echo noise; echo 'tshark: out of luck' >&2; exit 3"
    pretend(tmp_path / "bin", monkeypatch, behaviour)
    seen = Seen()

    with pytest.raises(TaplineError, match=r"^cannot read x\.pcap: out of luck$"):
        source_of(tmp_path / "x.pcap", []).run(seen)

    assert len(seen.resources("dns")) == 1
    assert seen.counts["malformed.line"] == 2
    assert seen.counts["failed.script"] == 1


def test_a_killed_tshark_is_an_error(tmp_path, monkeypatch):
    pretend(tmp_path / "bin", monkeypatch, "kill -9 $$")

    with pytest.raises(TaplineError, match="signal 9"):
        source_of(tmp_path / "x.pcap", []).run(Seen())


def test_a_tshark_that_talks_without_end_on_standard_error_does_not_hang(tmp_path, monkeypatch):
    pretend(
        tmp_path / "bin", monkeypatch, "head -c 1000000 /dev/zero | tr '\\0' '\\n' >&2; echo 'tshark: bye' >&2; exit 1"
    )

    with pytest.raises(TaplineError, match="bye"):
        source_of(tmp_path / "x.pcap", []).run(Seen())


def test_a_sink_that_fails_ends_tshark(tmp_path):
    class Failing(Seen):
        def put(self, *_):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        source_of(tmp_path / "x.pcap", [dns_over_udp("a.example")] * 2000).run(Failing())


def test_a_file_that_is_stopped_puts_nothing_more(tmp_path):
    source = source_of(tmp_path / "x.pcap", [dns_over_udp("a.example")] * 2000)

    class Stopping(Seen):
        def put(self, *arguments):
            super().put(*arguments)
            source.stop()

    seen = Stopping()
    source.run(seen)

    assert 0 < len(seen.put_all) <= 2


def test_a_source_stopped_before_it_runs_ends_at_once(tmp_path):
    source = source_of(tmp_path / "x.pcap", [dns_over_udp("a.example")])
    seen = Seen()
    source.stop()
    source.run(seen)

    assert not seen.put_all


class Running:
    """A source that runs in a thread."""

    def __init__(self, source):
        self.seen = Seen()
        self.errors = []
        self._source = source
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._source.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self):
        try:
            self._source.run(self.seen)
        except Exception as error:  # noqa: BLE001
            self.errors.append(error)


def test_a_stream_is_seen_as_it_comes(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    source = TsharkSource(observe_stream("node", "fifo", 1), str(fifo), CaptureSettings())
    with Running(source) as running, fifo.open("wb", buffering=0) as output:
        output.write(pcap([dns_over_udp("a.example")]))
        wait_for(lambda: len(running.seen.put_all) == 2, "the first query while the stream is open")
        output.write(pcap([dns_over_udp("b.example")])[24:])
        wait_for(lambda: len(running.seen.put_all) == 4, "the second query while the stream is open")

    assert not running.errors


def test_an_interface_that_does_not_exist_is_said_in_one_line():
    source = TsharkSource(observe_live("node", "none0", 1), "none0", CaptureSettings())

    with pytest.raises(TaplineError, match=r"^cannot capture on none0: [^\n]+$"):
        source.run(Seen())


@allowed
def test_an_interface_is_seen_live():
    source = TsharkSource(observe_live("node", "lo", 1), "lo", CaptureSettings(filter="udp port 53"))
    with Running(source) as running, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def asked():
            sender.sendto(dns_query("live.example"), ("127.0.0.1", 53))
            return running.errors or any(record.uri == "live.example" for record in running.seen.resources("dns"))

        wait_for(asked, "a query sent to the loopback interface", every=0.2)
        wait_for(lambda: running.seen.advanced, "the clock to end a window")

    assert not running.errors
    assert running.seen.advanced[-1] <= time.time()


@needs_networks
def test_an_interface_that_is_removed_is_seen_again_when_it_is_back():
    with own_network():
        cable("here", "there")
        source = TsharkSource(observe_live("node", "here", 1), "here", CaptureSettings(filter="udp port 53"))
        with Running(source) as running:

            def asked(name):
                with sending("there") as sender:
                    sender.send(dns_over_udp(name).data)
                return running.errors or any(record.uri == name for record in running.seen.resources("dns"))

            wait_for(lambda: asked("before.example"), "a query before the interface is removed", every=0.2)
            ip("link", "del", "here")
            wait_for(lambda: running.seen.counts["interface_losses"], "the loss to be counted")
            cable("here", "there")
            wait_for(lambda: asked("after.example"), "a query after the interface is back", every=0.2)

    assert not running.errors
    identities = [put.record.id for put in running.seen.put_all]
    assert len(identities) == len(set(identities))


def test_what_a_user_prefers_in_wireshark_changes_nothing(tmp_path, monkeypatch):
    preferences = tmp_path / "home" / ".config" / "wireshark" / "preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text("tcp.desegment_tcp_streams: FALSE\nhttp.tcp.port: 9\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    talk = TcpConversation(80).client(b"GET /a HTTP/1.1\r\n", b"Host: h\r\n\r\n").close()

    (asked,) = see(tmp_path / "x.pcap", talk.frames).resources("url")

    assert asked.uri == "http://h/a"


@allowed
def test_a_node_that_is_killed_leaves_no_process():
    script = (
        "from capture.settings import CaptureSettings; from capture.source import observe_live;"
        "from capture.tshark import TsharkSource; from tests.unit.capture_tshark.conversations import Seen;"
        "TsharkSource(observe_live('node', 'lo', 1), 'lo', CaptureSettings(filter='udp port 53')).run(Seen())"
    )
    node = psutil.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[3])
    try:
        helpers = wait_for(
            lambda: (found := node.children(recursive=True)) and len(found) == 2 and found, "two helpers"
        )
        wait_for(lambda: {helper.name() for helper in helpers} == {"tshark", "dumpcap"}, "tshark and dumpcap")
    finally:
        node.kill()
        node.wait()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def gone():
            # Where it has capabilities of its own, dumpcap ends with the next packet that nobody takes.
            sender.sendto(b"x", ("127.0.0.1", 53))
            return not any(helper.is_running() and helper.status() != psutil.STATUS_ZOMBIE for helper in helpers)

        wait_for(gone, "both to end", every=0.2)
