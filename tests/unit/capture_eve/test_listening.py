"""Suricata that sends its events to a socket of ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from capture.eve.listening import CONNECTIONS, EveListener
from capture.open import open_capture
from capture.settings import CaptureSettings
from tests.unit.capture_eve.made import WaitingSink, anomaly, running
from topics.errors import TaplineError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eve.sock"


def opened(path: Path) -> EveListener:
    _, (source,) = open_capture(f"eve:unix://{path}", CaptureSettings(node="node"))
    assert isinstance(source, EveListener)
    return source


@pytest.fixture
def sink(path: Path) -> Iterator[WaitingSink]:
    sink = WaitingSink()
    source = opened(path)
    with running(source, sink) as raised:
        assert source.listening.wait(10), raised
        yield sink
    assert not raised
    assert not path.exists()


def connected(path: Path) -> socket.socket:
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sender.connect(str(path))
    return sender


def test_the_events_of_several_senders_are_taken(path: Path, sink: WaitingSink) -> None:
    with connected(path) as one, connected(path) as other:
        one.sendall(anomaly(0)[:40])
        other.sendall(anomaly(1))
        sink.wait(lambda: sink.numbers == [1])
        one.sendall(anomaly(0)[40:] + anomaly(2))
        sink.wait(lambda: sink.numbers == [1, 0, 2])
    sink.wait(lambda: sink.counts["connections.closed"] == 2)
    assert len({put.record.id for put in sink.put_all}) == 3
    assert sink.counts["lines"] == 3


def test_half_a_line_and_garbage_are_rejected_and_the_rest_goes_on(path: Path, sink: WaitingSink) -> None:
    with connected(path) as sender:
        sender.sendall(b"garbage\n" + anomaly(0) + b'{"half')
    sink.wait(lambda: sink.counts["connections.closed"] == 1 and sink.counts["rejected.eve-half"] == 1)
    assert sink.numbers == [0]
    assert sink.counts["rejected.eve-json"] == 1


def test_an_endless_line_takes_no_more_memory(path: Path, sink: WaitingSink) -> None:
    with connected(path) as sender:
        for _ in range(40):
            sender.sendall(b"x" * (1 << 18))
        sender.sendall(b"\n" + anomaly(0))
        sink.wait(lambda: sink.numbers == [0])
    assert sink.counts["rejected.eve-long"] == 1
    assert sink.counts["bytes"] < 3 << 20


def test_more_connections_than_are_taken_are_refused(path: Path, sink: WaitingSink) -> None:
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(connected(path))
        sink.wait(lambda: sink.counts["connections.accepted"] == CONNECTIONS)
        late = stack.enter_context(connected(path))
        assert late.recv(1) == b""
        sink.wait(lambda: sink.counts["connections.refused"] == 1)


def test_what_was_sent_before_the_stop_is_taken(path: Path) -> None:
    sink = WaitingSink()
    source = opened(path)
    with running(source, sink):
        assert source.listening.wait(10)
        sender = connected(path)
        sender.sendall(b"".join(anomaly(number) for number in range(1000)))
        sink.wait(lambda: sink.counts["connections.accepted"] == 1)
    sender.close()
    assert sink.numbers == list(range(1000))


def test_a_socket_that_was_left_is_taken_over_and_any_other_file_is_not(path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()
    source = opened(path)
    with running(source, WaitingSink()) as raised:
        assert source.listening.wait(10), raised
        with pytest.raises(TaplineError, match="choose another path"):
            opened(path).run(WaitingSink())
    path.write_text("precious")
    with pytest.raises(TaplineError, match="choose another path"):
        opened(path).run(WaitingSink())
    assert path.read_text() == "precious"
