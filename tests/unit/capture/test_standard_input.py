"""One stream for several engines."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from capture.standard_input import Spread
from tests.unit.capture.sinks import KeepingSink
from tests.waiting import wait_for

CONTENT = os.urandom(3_000_000)


def spread_of(tmp_path: Path, readers: int) -> tuple[Spread, threading.Thread, threading.Thread]:
    """A spread over a FIFO that is fed, running."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def feed() -> None:
        with suppress(BrokenPipeError):
            path.write_bytes(CONTENT)

    spread = Spread(str(path), readers)
    spread.open()
    threads = threading.Thread(target=spread.run, args=(KeepingSink(),)), threading.Thread(target=feed)
    for thread in threads:
        thread.start()
    return spread, *threads


def test_every_engine_reads_all_of_it(tmp_path):
    spread, *threads = spread_of(tmp_path, 2)
    paths, got = spread.paths, {}
    readers = [threading.Thread(target=lambda path=path: got.update({path: Path(path).read_bytes()})) for path in paths]
    for thread in readers:
        thread.start()
    for thread in [*readers, *threads]:
        thread.join()
    assert got == dict.fromkeys(paths, CONTENT)
    assert not any(Path(path).exists() for path in paths)


def test_an_engine_that_ends_early_does_not_hold_up_the_other(tmp_path):
    spread, *threads = spread_of(tmp_path, 2)
    first, second = spread.paths
    got = []
    reader = threading.Thread(target=lambda: got.append(Path(second).read_bytes()))
    reader.start()
    with Path(first).open("rb") as early:
        early.read(100)
    for thread in [reader, *threads]:
        thread.join()
    assert got == [CONTENT]


def test_it_can_be_stopped_while_nobody_reads(tmp_path):
    spread = Spread(str(tmp_path / "nothing"), 2)
    spread.open()
    folder = Path(spread.paths[0]).parent
    thread = threading.Thread(target=spread.run, args=(KeepingSink(),))
    thread.start()
    assert folder.is_dir()
    spread.stop()
    wait_for(lambda: not thread.is_alive(), "the end of the spreading")
    thread.join()
    assert not folder.exists()


def test_engines_that_wait_for_it_are_let_go_when_it_is_stopped(tmp_path):
    spread = Spread(str(tmp_path / "nothing"), 2)
    spread.open()
    got = []
    readers = [threading.Thread(target=lambda path=path: got.append(Path(path).read_bytes())) for path in spread.paths]
    for reader in readers:
        reader.start()
    wait_for(lambda: all(sleeps(reader) for reader in readers), "both to wait for a writer")
    spread.stop()
    spread.run(KeepingSink())
    for reader in readers:
        reader.join(20)
        assert not reader.is_alive()
    assert got == [b"", b""]


def test_it_can_be_stopped_before_anybody_writes(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    spread = Spread(str(tmp_path / "pipe"), 1)
    spread.open()
    (path,) = spread.paths
    thread = threading.Thread(target=spread.run, args=(KeepingSink(),))
    thread.start()
    with Path(path).open("rb") as engine:
        spread.stop()
        assert engine.read() == b""
    thread.join(20)
    assert not thread.is_alive()


def sleeps(thread: threading.Thread) -> bool:
    """True when the thread waits for something, as for a FIFO's other end."""
    return Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()[0] == "S"
