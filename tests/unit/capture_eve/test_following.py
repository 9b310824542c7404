"""A file that Suricata goes on writing to: every line counts once, whatever becomes of the file."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.following.source import FollowedFiles
from capture.open import open_capture
from capture.settings import CaptureSettings, EveSettings
from capture.source import LIVE, Places
from tests.unit.capture.sinks import KeepingSink
from tests.unit.capture_eve.made import WaitingSink, anomaly, running
from tests.waiting import wait_for
from topics.catalog import DEAD
from topics.errors import TaplineError


class Log:
    """A file of events and those who write, rotate and read it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "eve.json"
        self.sink = WaitingSink()
        self.written = 0
        self._settings = CaptureSettings(node="node", eve=EveSettings(positions=str(folder / "positions")))

    def follower(self) -> FollowedFiles:
        observation, (source,) = open_capture(f"eve:follow:{self.path}", self._settings)
        assert observation.stream == LIVE
        assert isinstance(source, FollowedFiles)
        return source

    def write(self, count: int = 1) -> None:
        with self.path.open("ab") as file:
            for _ in range(count):
                file.write(anomaly(self.written))
                self.written += 1

    def rename(self) -> None:
        """Rotate as logrotate does by default: eve.json.1 is the newest."""
        for number in range(20, 0, -1):
            old = self.path.with_name(f"eve.json.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"eve.json.{number + 1}"))
        self.path.rename(self.path.with_name("eve.json.1"))

    def copy_and_truncate(self) -> None:
        for number in range(20, 0, -1):
            old = self.path.with_name(f"eve.json.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"eve.json.{number + 1}"))
        shutil.copyfile(self.path, self.path.with_name("eve.json.1"))
        os.truncate(self.path, 0)

    def all_came(self) -> None:
        self.sink.wait(lambda: len(self.sink.numbers) >= self.written)

    def once_each(self) -> None:
        assert self.sink.numbers == list(range(self.written))
        ids = [put.record.id for put in self.sink.put_all]
        assert len(set(ids)) == len(ids)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_file_is_read_from_its_beginning_and_followed(log: Log) -> None:
    log.write(3)
    with running(log.follower(), log.sink) as raised:
        log.all_came()
        log.write(2)
        log.all_came()
    log.once_each()
    assert not raised
    assert (log.sink.counts["lines"], log.sink.counts["used"]) == (5, 5)


def test_a_file_that_is_not_there_yet_is_waited_for(log: Log) -> None:
    with running(log.follower(), log.sink):
        log.write(2)
        log.all_came()
    log.once_each()


def test_half_a_line_counts_when_its_end_has_come(log: Log) -> None:
    whole = anomaly(0)
    log.path.write_bytes(whole[:50])
    with running(log.follower(), log.sink):
        with log.path.open("ab") as file:
            file.write(whole[50:-1])
        log.sink.wait(lambda: True)
        assert not log.sink.numbers
        with log.path.open("ab") as file:
            file.write(whole[-1:])
        log.written = 1
        log.all_came()
    log.once_each()
    assert not log.sink.counts["rejected.eve-json"]


def test_half_a_line_that_nobody_ended_is_read_again_after_a_restart(log: Log) -> None:
    log.write(2)
    with log.path.open("ab") as file:
        file.write(anomaly(2)[:60])
    with running(log.follower(), log.sink):
        log.all_came()
    with log.path.open("ab") as file:
        file.write(anomaly(2)[60:])
    log.written = 3
    with running(log.follower(), log.sink):
        log.all_came()
    log.once_each()


@pytest.mark.parametrize("rotate", [Log.rename, Log.copy_and_truncate])
def test_rotation_loses_nothing(log: Log, rotate: Callable[[Log], None]) -> None:
    log.write()
    with running(log.follower(), log.sink):
        log.all_came()
        for _ in range(4):
            log.write(3)
            rotate(log)
        log.write(3)
        log.all_came()
    log.once_each()
    assert not log.sink.counts["lost-place"]


def test_who_still_writes_to_the_renamed_file_is_read(log: Log) -> None:
    log.write(2)
    with running(log.follower(), log.sink), log.path.open("ab") as file:
        log.all_came()
        log.rename()
        log.path.touch()
        file.write(anomaly(log.written))
        file.flush()
        log.written += 1
        log.all_came()
        log.write(2)
        log.all_came()
    log.once_each()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("rotate", [Log.rename, Log.copy_and_truncate])
def test_what_was_rotated_while_nobody_read_is_read_after_the_restart(
    log: Log, rotate: Callable[[Log], None], *, compressed: bool
) -> None:
    log.write(3)
    with running(log.follower(), log.sink):
        log.all_came()
    for _ in range(3):
        log.write(2)
        rotate(log)
    if compressed:
        for path in sorted(log.path.parent.glob("eve.json.*")):
            with gzip.open(f"{path}.gz", "wb") as file:
                file.write(path.read_bytes())
            path.unlink()
    log.write(2)
    with running(log.follower(), log.sink):
        log.all_came()
    log.once_each()


def test_a_copy_that_somebody_has_made_is_not_read(log: Log) -> None:
    log.write(3)
    with running(log.follower(), log.sink):
        log.all_came()
    shutil.copyfile(log.path, log.path.with_name("eve.json.backup"))
    log.write(2)
    log.rename()
    log.write(2)
    shutil.copyfile(log.path, log.path.with_name("eve.json.new"))
    with running(log.follower(), log.sink):
        log.all_came()
    log.once_each()


def test_a_file_that_was_rotated_away_is_told(log: Log) -> None:
    log.write(3)
    with running(log.follower(), log.sink):
        log.all_came()
    log.path.unlink()
    log.write(2)
    with running(log.follower(), log.sink):
        log.all_came()
    log.once_each()
    assert log.sink.counts["lost-place"] == 1


def test_the_half_line_at_the_end_of_a_rotated_file_is_rejected(log: Log) -> None:
    log.write(1)
    with log.path.open("ab") as file:
        file.write(b'{"timestamp"')
    with running(log.follower(), log.sink):
        log.all_came()
        log.rename()
        log.write(1)
        log.all_came()
    assert log.sink.numbers == [0, 1]
    assert log.sink.counts["rejected.eve-half"] == 1
    assert [put.topic for put in log.sink.put_all].count(DEAD) == 1


def test_what_cannot_be_used_is_counted_and_the_rest_goes_on(log: Log) -> None:
    log.path.write_bytes(b"garbage\n\n[]\n" + b"x" * ((1 << 20) + 5) + b"\n")
    log.write(1)
    with running(log.follower(), log.sink):
        log.all_came()
    assert log.sink.numbers == [0]
    rejected = {name: amount for name, amount in log.sink.counts.items() if name.startswith("rejected")}
    assert rejected == {"rejected.eve-json": 2, "rejected.eve-type": 1, "rejected.eve-long": 1}
    assert log.sink.counts["lines"] == 5


def test_who_cannot_confirm_moves_no_position(log: Log) -> None:
    log.write(2)

    class Reader(KeepingSink):
        pass

    for _ in range(2):
        sink = Reader()
        follower = log.follower()
        seen = WaitingSink()
        sink.put = lambda *put, seen=seen: seen.put(*put)  # type: ignore[method-assign]
        with running(follower, sink):
            seen.wait(lambda seen=seen: len(seen.numbers) == 2)  # type: ignore[misc]
    assert not (log.path.parent / "positions").exists()


def test_what_kafka_did_not_take_is_read_again(log: Log) -> None:
    log.write(2)

    class Losing(WaitingSink):
        def confirm(self) -> Places | None:
            return None if self.numbers else super().confirm()

    losing = Losing()
    with running(log.follower(), losing) as raised:
        losing.wait(lambda: len(losing.numbers) == 2)
    assert "run this again" in str(raised[0])
    with running(log.follower(), log.sink):
        log.all_came()
    log.once_each()


def beside(log: Log) -> None:
    """Nothing becomes of the file."""


@pytest.mark.parametrize(("rotate", "kept"), [(beside, 0), (beside, 3), (Log.rename, 3), (Log.copy_and_truncate, 3)])
def test_what_a_killed_run_published_is_left_out(log: Log, rotate: Callable[[Log], None], *, kept: int) -> None:
    """A run that is killed leaves the position that it kept last, and behind it what it has published since."""
    positions, copy = log.path.parent / "positions", log.path.parent / "copy"
    log.write(kept or 1)
    first = log.follower()
    first.stop()
    first.run(log.sink)
    if not kept:
        shutil.copytree(positions, copy)
    with running(log.follower(), log.sink):
        if kept:
            wait_for(lambda: f'"lines":{kept}' in next(positions.glob("*.json")).read_text(), "it is kept")
            shutil.copytree(positions, copy)
        log.write(2)
        log.all_came()
        rotate(log)
        log.write(2)
        log.all_came()
    shutil.rmtree(positions)
    shutil.copytree(copy, positions)
    log.write(2)
    with running(log.follower(), log.sink):
        log.all_came()
    log.once_each()
    assert log.sink.counts["already-published"] == (4 if kept else 5)


def test_a_kill_while_the_lines_of_a_kill_are_read_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    positions, copy = log.path.parent / "positions", log.path.parent / "copy"
    with running(log.follower(), log.sink):
        wait_for(lambda: list(positions.glob("*.json")), "it is kept")
        shutil.copytree(positions, copy)
        log.write(6)
        log.all_came()
    shutil.rmtree(positions)
    shutil.copytree(copy, positions)
    monkeypatch.setattr("capture.following.follower._CHUNK", 300)
    follower = log.follower()
    count = log.sink.count

    def stopping(source: str, counter: str, amount: int = 1) -> None:
        count(source, counter, amount)
        if counter == "already-published":
            follower.stop()

    monkeypatch.setattr(log.sink, "count", stopping)
    with running(follower, log.sink):
        log.sink.wait(lambda: log.sink.counts["already-published"] > 0)
    monkeypatch.undo()
    assert log.sink.counts["already-published"] < 6
    log.write(2)
    with running(log.follower(), log.sink):
        log.all_came()
    log.once_each()
    assert log.sink.counts["already-published"] == 6


def test_what_others_published_is_not_taken_for_ours(log: Log) -> None:
    asked: list[bool] = []

    class Asking(WaitingSink):
        def published(self, places: Places, is_ours: Callable[[str], bool]) -> Iterator[str]:
            asked.extend(
                is_ours(producer) for producer in (f"node/{log.path}#17", f"other/{log.path}#17", "node/eth0#17")
            )
            return super().published(places, is_ours)

    sink = Asking()
    log.write(1)
    for _ in range(2):
        with running(log.follower(), sink):
            sink.wait(lambda: bool(sink.numbers))
    assert asked == [True, False, False]


def test_positions_that_cannot_be_read_are_told(log: Log) -> None:
    log.write(1)
    with running(log.follower(), log.sink):
        log.all_came()
    (kept,) = (log.path.parent / "positions").iterdir()
    kept.write_text("{")
    with running(log.follower(), log.sink) as raised:
        pass
    assert "remove it to read all there is" in str(raised[0])


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("eve:", "names nothing to read"),
        ("eve:follow:", "names nothing to read"),
        ("eve:unix://", "names nothing to read"),
        ("eve:http://x", "names nothing to read"),
        ("eve:follow:/no/such/folder/eve.json", "does not exist"),
        ("eve:unix:///no/such/folder/eve.sock", "does not exist"),
        ("eve:/no/such/file", "No such file"),
        ("eve:/tmp", "is a folder"),
        ("eve:follow:/tmp", "is a folder"),
    ],
)
def test_what_cannot_be_opened_says_why(source: str, says: str) -> None:
    with pytest.raises(TaplineError, match=says):
        open_capture(source, CaptureSettings())


STEPS = st.lists(st.sampled_from(["write", "rename", "truncate", "restart", "wait"]), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_happens_every_line_counts_once(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder))
        log.write()
        with running(log.follower(), log.sink):
            log.all_came()
        while steps:
            with running(log.follower(), log.sink):
                while steps and (step := steps.pop(0)) != "restart":
                    if step == "write":
                        log.write(2)
                    elif step == "wait":
                        log.all_came()
                    elif log.path.stat().st_size:
                        (log.rename if step == "rename" else log.copy_and_truncate)()
                        log.write()
            log.write()
        with running(log.follower(), log.sink):
            log.all_came()
        log.once_each()
