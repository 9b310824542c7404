"""How far captures have come, as it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.node import CaptureNode
from capture.source import observe_file
from tapline.commands import progress
from tapline.commands.progress import CaptureProgress, Reading
from tests.unit.capture.sinks import KeepingPublisher


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def node() -> CaptureNode:
    return CaptureNode(observe_file("node", "in.pcap", "ab" * 32), [], KeepingPublisher())


def test_rate_and_time_left_follow_from_what_was_read(node: CaptureNode) -> None:
    clock = Clock()
    reading = Reading(100_000_000, None, clock)
    clock.now = 50
    reading.begin(node)
    assert reading.state() == "0 % read"
    clock.now += 1
    reading.read = 5_000_000
    assert reading.state() == "5 % read"
    clock.now += 9
    reading.read = 25_000_000
    assert reading.state() == "25 % read, 2.5 MB/s, 0:30 left"
    clock.now += 9990
    assert reading.state() == "25 % read, 0.0 MB/s, 8:20:00 left"
    reading.complete()
    assert reading.state() == "100 % read"


def test_of_several_readers_the_slowest_counts(
    node: CaptureNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [30, 80]
    monkeypatch.setattr(progress, "positions_of_children", lambda _path: others)
    reading = Reading(100, tmp_path / "in.pcap", Clock())
    reading.begin(node)
    assert reading.reached() == 30
    reading.read = 20
    others[0] = 70
    # It has been further already: a reader that begins anew is not the end of all progress.
    assert reading.reached() == 30
    reading.read = 100
    assert reading.reached() == 70
    others.clear()
    assert reading.reached() == 100


def test_what_has_no_size_has_no_share(node: CaptureNode) -> None:
    reading = Reading(0, None, Clock())
    reading.begin(node)
    reading.read = 1000
    assert reading.state() == ""


@pytest.mark.parametrize(
    ("name", "size"), [("{}/a", 3), ("zeek:{}/a", 3), ("zeek:{}", 7), ("nfdump:{}", 12), ("eth0", 0), ("host:", 0)]
)
def test_every_source_of_files_has_a_size(
    name: str, size: int, tmp_path: Path, node: CaptureNode, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_bytes(bytes(3))
    (tmp_path / "b").write_bytes(bytes(4))
    (tmp_path / "within").mkdir()
    (tmp_path / "within" / "c").write_bytes(bytes(5))
    name = name.format(tmp_path)
    with CaptureProgress() as shown:
        shown.reader(name)(size)
        shown.begin(name, node)
        shown.end(name)
    told = capsys.readouterr().err
    assert told.endswith(f"{name}: {'100 % read, ' if size else ''}0 records\n")


def test_what_is_forgotten_is_not_shown(node: CaptureNode, capsys: pytest.CaptureFixture[str]) -> None:
    with CaptureProgress() as shown:
        shown.reader("a")
        shown.reader("b")
        shown.begin("b", node)
        shown.forget("a")
        shown.forget("nobody")
        shown.forget("b")
    assert "a: " not in capsys.readouterr().err
