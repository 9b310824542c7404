"""Logs that Zeek goes on writing to: every line counts once, whatever becomes of the files."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.following.follower import files_in
from capture.following.source import FollowedFiles
from capture.open import RESUMED, open_capture
from capture.settings import CaptureSettings, ZeekSettings
from capture.source import LIVE
from tests.unit.capture_eve.made import WaitingSink, running
from tests.unit.capture_zeek.made import CONN
from topics.catalog import DEAD
from topics.errors import TaplineError
from topics.records import DeadLetter, Flow, Resource

NOW = int(time.time()) - 3600
"""Epoch seconds of the first line: so far back as a live source still believes."""

NAMES = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "orig_pkts", "orig_ip_bytes")


class Logs:
    """A folder that Zeek writes to, as its supervisor rotates it, and those who read it."""

    def __init__(self, folder: Path, *, columns: bool = True, name: str = "") -> None:
        self.folder = folder / "logs" / "current"
        self.folder.mkdir(parents=True)
        self.path = self.folder / "conn.log"
        self.positions = folder / "positions"
        self.sink = WaitingSink()
        self.written = 0
        self.opened = 0
        self._columns = columns
        self._name = f"/{name}" if name else ""
        self._settings = CaptureSettings(node="node", zeek=ZeekSettings(positions=str(self.positions)))

    def follower(self) -> FollowedFiles:
        observation, (source,) = open_capture(f"zeek:follow:{self.folder}{self._name}", self._settings)
        assert observation.stream == LIVE
        assert isinstance(source, FollowedFiles)
        return source

    def header(self) -> str:
        self.opened += 1
        opened = datetime.fromtimestamp(NOW + 60 * self.opened, UTC).strftime("%Y-%m-%d-%H-%M-%S")
        lines = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn"]
        return "\n".join([*lines, f"#open\t{opened}", "\t".join(["#fields", *NAMES]), ""])

    def line(self) -> str:
        row = CONN | {"ts": NOW + self.written, "uid": f"C{self.written}", "id.orig_p": self.written, "duration": 0}
        self.written += 1
        return "\t".join(str(row[name]) for name in NAMES) + "\n" if self._columns else json.dumps(row) + "\n"

    def write(self, count: int = 1) -> None:
        begins = self._columns and (not self.path.exists() or not self.path.stat().st_size)
        with self.path.open("a") as file:
            if begins:
                file.write(self.header())
            file.write("".join(self.line() for _ in range(count)))

    def rotate(self) -> Path:
        """Rename the log as Zeek does; what was it until now."""
        stamp = datetime.fromtimestamp(NOW + self.written, UTC)
        rotated = self.folder / f"conn-{stamp:%y-%m-%d_%H.%M.%S}.{self.written}.log"
        with self.path.open("a") as file:
            if self._columns:
                file.write("#close\t2026-01-01-00-00-00\n")
        self.path.rename(rotated)
        return rotated

    def archive(self) -> None:
        """Rotate, and have the archiver put it where zeekctl does."""
        rotated = self.rotate()
        day = self.folder.parent / datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%d")
        day.mkdir(exist_ok=True)
        (day / f"conn.{self.written:06}-00:00:00.log.gz").write_bytes(gzip.compress(rotated.read_bytes()))
        rotated.unlink()

    @property
    def numbers(self) -> list[int]:
        return [put.record.source_port for put in list(self.sink.put_all) if isinstance(put.record, Flow)]

    def all_came(self) -> None:
        self.sink.wait(lambda: len(self.numbers) >= self.written)

    def once_each(self) -> None:
        assert self.numbers == list(range(self.written))
        ids = [put.record.id for put in self.sink.put_all]
        assert len(set(ids)) == len(ids)


@pytest.fixture(params=[True, False], ids=["columns", "json"])
def logs(tmp_path: Path, request: pytest.FixtureRequest) -> Logs:
    return Logs(tmp_path, columns=request.param)


def test_a_log_is_read_from_its_beginning_and_followed(logs: Logs) -> None:
    logs.write(3)
    with running(logs.follower(), logs.sink) as raised:
        logs.all_came()
        logs.write(2)
        logs.all_came()
    logs.once_each()
    assert not raised
    assert logs.sink.counts["used"] == 5
    assert logs.sink.counts["lines"] == 5 + logs.sink.counts["headers"]
    assert not logs.sink.counts["time-not-believed"]


def test_logs_that_are_not_there_yet_are_waited_for(logs: Logs) -> None:
    with running(logs.follower(), logs.sink):
        logs.write(2)
        logs.all_came()
    logs.once_each()


def test_one_log_by_its_name(tmp_path: Path) -> None:
    logs = Logs(tmp_path, name="conn.log")
    logs.write(2)
    with running(logs.follower(), logs.sink):
        logs.all_came()
        logs.archive()
        logs.write(2)
        logs.all_came()
    logs.once_each()


def test_a_header_that_comes_bit_by_bit(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.write(1)
    with running(logs.follower(), logs.sink):
        logs.all_came()
        logs.rotate()
        with logs.path.open("a") as file:
            for line in logs.header().splitlines(keepends=True):
                half = len(line) // 2
                for piece in (line[:half], line[half:]):
                    file.write(piece)
                    file.flush()
            file.write(logs.line())
        logs.all_came()
    logs.once_each()
    assert not logs.sink.counts["rejected.zeek-no-header"]


def test_a_restart_in_the_middle_of_a_log_knows_its_header(logs: Logs) -> None:
    logs.write(2)
    for _ in range(3):
        with running(logs.follower(), logs.sink):
            logs.all_came()
        logs.write(2)
    with running(logs.follower(), logs.sink):
        logs.all_came()
    logs.once_each()


@pytest.mark.parametrize("away", [Logs.rotate, Logs.archive])
def test_rotation_loses_nothing(logs: Logs, away: Callable[[Logs], None]) -> None:
    logs.write()
    with running(logs.follower(), logs.sink):
        logs.all_came()
        for _ in range(4):
            logs.write(3)
            away(logs)
            logs.write(1)
        logs.write(3)
        logs.all_came()
    logs.once_each()
    assert not logs.sink.counts["lost-place"]
    assert not logs.sink.counts["rejected.zeek-half"]


@pytest.mark.parametrize("away", [Logs.rotate, Logs.archive])
def test_what_was_rotated_while_nobody_read_is_read_after_the_restart(
    tmp_path: Path, away: Callable[[Logs], None]
) -> None:
    logs = Logs(tmp_path)
    logs.write(3)
    with running(logs.follower(), logs.sink):
        logs.all_came()
    for _ in range(3):
        logs.write(2)
        away(logs)
    logs.write(2)
    with running(logs.follower(), logs.sink):
        logs.all_came()
    logs.once_each()


@pytest.mark.parametrize("away", [Logs.rotate, Logs.archive])
def test_the_rest_of_a_rotated_log_is_read_before_the_next_one_is_begun(
    logs: Logs, away: Callable[[Logs], None]
) -> None:
    """Zeek begins a log with its first line, which may be hours later."""
    logs.write(3)
    with running(logs.follower(), logs.sink):
        logs.all_came()
    logs.write(2)
    away(logs)
    for _ in range(2):
        with running(logs.follower(), logs.sink):
            logs.all_came()
    with running(logs.follower(), logs.sink):
        logs.write(2)
        logs.all_came()
    logs.once_each()
    assert not logs.sink.counts["lost-place"]


@pytest.mark.parametrize("kept", [0, 3])
def test_what_a_killed_run_published_is_left_out(logs: Logs, *, kept: int) -> None:
    """A run that is killed leaves the positions that it kept last, and behind them what it has published since."""
    copy = logs.positions.with_name("copy")
    logs.write(3)
    if kept:
        with running(logs.follower(), logs.sink):
            logs.all_came()
    else:
        first = logs.follower()
        first.stop()
        first.run(logs.sink)
    shutil.copytree(logs.positions, copy)
    with running(logs.follower(), logs.sink):
        logs.write(2)
        logs.all_came()
        logs.archive()
        logs.write(2)
        logs.all_came()
    shutil.rmtree(logs.positions)
    shutil.copytree(copy, logs.positions)
    logs.write(2)
    with running(logs.follower(), logs.sink):
        logs.all_came()
    logs.once_each()
    assert logs.sink.counts["already-published"] == 7 - kept


def test_a_restart_while_no_log_has_the_name_reads_again_what_comes_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its renaming and the first line of the next one there is none for a while."""
    logs = Logs(tmp_path)
    logs.write(3)
    with running(logs.follower(), logs.sink):
        logs.all_came()
    (kept,) = logs.positions.glob("*.json")
    killed = kept.read_bytes()
    with running(logs.follower(), logs.sink):
        for _ in range(2):
            logs.rotate()
            logs.write(2)
            logs.all_came()
    kept.write_bytes(killed)
    logs.rotate()
    looked = threading.Semaphore(0)

    def counting(folder: Path, is_it: Callable[[str], bool]) -> dict[Path, int]:
        looked.release()
        return files_in(folder, is_it)

    monkeypatch.setattr("capture.zeek.following.files_in", counting)
    with running(logs.follower(), logs.sink):
        for _ in range(20):
            assert looked.acquire(timeout=60)
        logs.write(2)
        logs.all_came()
    logs.once_each()
    assert logs.sink.counts["already-published"] == 4


def test_a_certificate_waits_for_its_handshake_and_is_not_lost_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it waits until the run ends."""
    monkeypatch.setattr("capture.zeek.intake.LIVE_WAIT", 1 << 60)
    logs = Logs(tmp_path)
    ends = {"id.orig_h": "192.0.2.1", "id.orig_p": 1, "id.resp_h": "192.0.2.2", "id.resp_p": 443}

    def certificates() -> list[Resource]:
        return [put.record for put in list(logs.sink.put_all) if isinstance(put.record, Resource) and put.record.x509]

    with running(logs.follower(), logs.sink):
        (logs.folder / "x509.log").write_text(json.dumps({"ts": NOW, "fingerprint": "ab" * 32}) + "\n")
        logs.sink.wait(lambda: logs.sink.counts["lines"] == 1)
        tls = {"ts": NOW, "uid": "C1", "cert_chain_fps": ["ab" * 32], "server_name": "one.example"}
        (logs.folder / "ssl.log").write_text(json.dumps(tls | ends) + "\n")
        logs.sink.wait(lambda: logs.sink.counts["lines"] == 2)
        assert not certificates()
        # Whoever is killed here reads both again.
        (kept,) = logs.positions.glob("*.json")
        killed = kept.read_bytes()
        assert all(file["lines"] == 0 for file in json.loads(killed)["files"])
    (certificate,) = certificates()
    assert (certificate.source_ip, certificate.destination_ip) == ("192.0.2.1", "192.0.2.2")
    assert not logs.sink.counts["unjoined.x509"]
    made = len(logs.sink.put_all)
    kept.write_bytes(killed)
    with running(logs.follower(), logs.sink):
        logs.sink.wait(lambda: logs.sink.counts["lines"] == 4)
    assert logs.sink.counts["already-published"] == made == len(logs.sink.put_all)


def test_what_cannot_be_used_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.write(1)
    with logs.path.open("a") as file:
        file.write("only\ttwo\n\n" + "x" * ((1 << 20) + 5) + "\n")
    logs.write(1)
    (logs.folder / "dns.log").write_bytes(b'{"ts": 1')
    with running(logs.follower(), logs.sink):
        logs.all_came()
        (logs.folder / "dns.log").rename(logs.folder / "dns.1.log")
        (logs.folder / "dns.log").write_text("{}\n")
        logs.sink.wait(lambda: logs.sink.counts["rejected.zeek-type"] == 1)
    logs.numbers.sort()
    logs.once_each()
    rejected = {name: amount for name, amount in logs.sink.counts.items() if name.startswith("rejected")}
    wanted = {"zeek-fields": 1, "zeek-long": 1, "zeek-half": 1, "zeek-type": 1}
    assert rejected == {f"rejected.{reason}": amount for reason, amount in wanted.items()}
    assert logs.sink.counts["empty"] == 1
    letters = [put.record for put in logs.sink.put_all if put.topic is DEAD]
    assert {letter.error.partition(":")[0] for letter in letters if isinstance(letter, DeadLetter)} == {
        "conn.log",
        "dns.log",
    }


@pytest.mark.parametrize(
    ("source", "says"),
    [("zeek:follow:", "names nothing to read"), ("zeek:follow:/no/such/folder/conn.log", "does not exist")],
)
def test_what_cannot_be_opened_says_why(source: str, says: str) -> None:
    with pytest.raises(TaplineError, match=says):
        open_capture(source, CaptureSettings())


def test_kafka_is_waited_for() -> None:
    assert "zeek:follow:logs".startswith(RESUMED)


STEPS = st.lists(st.sampled_from(["write", "rotate", "archive", "restart", "wait"]), min_size=1, max_size=10)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.booleans())
def test_whatever_happens_every_line_counts_once(steps: list[str], columns: bool) -> None:  # noqa: FBT001
    with tempfile.TemporaryDirectory() as folder:
        logs = Logs(Path(folder), columns=columns)
        logs.write()
        with running(logs.follower(), logs.sink):
            logs.all_came()
        while steps:
            with running(logs.follower(), logs.sink):
                while steps and (step := steps.pop(0)) != "restart":
                    if step == "write":
                        logs.write(2)
                    elif step == "wait":
                        logs.all_came()
                    else:
                        (logs.rotate if step == "rotate" else logs.archive)()
                        logs.write()
            logs.write()
        with running(logs.follower(), logs.sink):
            logs.all_came()
        logs.once_each()
