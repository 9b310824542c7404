"""Capture files that appear in a folder: each is read once, when it is complete."""

from __future__ import annotations

import gzip
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from capture.folder.memory import Finished, Memory
from capture.folder.opening import open_folder
from capture.folder.reader import FolderReader
from capture.folder.settings import FolderSettings
from capture.node import CaptureNode
from capture.open import open_capture
from capture.packets.files import Progress
from capture.publisher import PublishError
from capture.settings import CaptureSettings
from capture.source import Observation, Sink, Source
from tests.unit.capture.sinks import KeepingPublisher, ScriptedSource
from tests.unit.capture.wire import Frame, pcap, udp
from tests.waiting import wait_for
from topics.catalog import FLOW
from topics.errors import TaplineError
from topics.records import Flow

BASE = 1_700_000_000_000_000


def capture(number: int, packets: int = 3) -> bytes:
    """A capture file of one flow, whose port is the number."""
    frames = [Frame(BASE + at * 1000, udp("192.0.2.1", "192.0.2.2", number, 53)) for at in range(packets)]
    return pcap(frames)


class Told:
    """Keeps what it is told: the files that were begun, and those that were read with their problem."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: dict[str, str] = {}
        self.nodes: list[CaptureNode] = []

    def progress(self, name: str) -> Progress:
        assert Path(name).is_absolute()
        return lambda _read: None

    def forget(self, name: str) -> None:
        assert Path(name).name not in self.begun

    def begin(self, name: str, node: CaptureNode) -> None:
        self.begun.append(Path(name).name)
        self.nodes.append(node)

    def end(self, name: str, _node: CaptureNode, problem: str) -> None:
        self.ended[Path(name).name] = problem


class Folder:
    """A folder that can be watched, again and again with the same memory."""

    def __init__(self, base: Path) -> None:
        self.path = base / "incoming"
        self.path.mkdir()
        self.memory = base / "memory"
        self.publisher = KeepingPublisher()
        self.told = Told()
        self.reader: FolderReader | None = None

    def settings(self, **given: object) -> FolderSettings:
        return FolderSettings(settled_seconds=0.1, memory=str(self.memory), **given)  # type: ignore[arg-type]

    def opened(self, **given: object) -> FolderReader:
        return open_folder(f"folder:{self.path}", self.settings(**given), light, self.publisher, self.told)

    @contextmanager
    def watched(self, **given: object) -> Iterator[FolderReader]:
        """The reader runs within the block, and has ended in good order after it."""
        self.reader = reader = self.opened(**given)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                reader.run()
            except BaseException as error:  # noqa: BLE001 - raised in the calling thread
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield reader
        finally:
            reader.stop()
            thread.join()
        if errors:
            raise errors[0]

    def put(self, name: str, data: bytes) -> Path:
        """Put a file into the folder, whole."""
        written = self.path.parent / f"{name}.new"
        written.write_bytes(data)
        return written.rename(self.path / name)

    def ports(self) -> list[int]:
        """The source port of each flow that was published."""
        return [
            record.source_port
            for message in self.publisher.batches
            if message.topic is FLOW
            for record in message.records
            if isinstance(record, Flow)
        ]


def light(name: str, progress: Progress) -> list[tuple[Observation, list[Source]]]:
    return [open_capture(name, CaptureSettings(node="node", depth="light"), progress=progress)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def read(folder: Folder, count: int) -> None:
    wait_for(lambda: len(folder.told.ended) == count, f"{count} files to be read")


def counted(reader: FolderReader, counter: str, wanted: int = 1) -> None:
    wait_for(lambda: reader.counts[counter] == wanted, f"{counter} to be {wanted}")


def test_files_are_read_in_the_order_in_which_they_were_written(folder: Folder) -> None:
    for number, name in enumerate(("c.pcap", "a.pcap", "b.pcap"), 1):
        os.utime(folder.put(name, capture(number)), (1000 + number, 1000 + number))
    with folder.watched():
        read(folder, 3)
    assert folder.told.begun == ["c.pcap", "a.pcap", "b.pcap"]
    assert folder.ports() == [1, 2, 3]
    assert set(folder.told.ended.values()) == {""}


def test_files_that_were_read_are_not_read_again_by_the_next_process(folder: Folder) -> None:
    folder.put("a.pcap", capture(1))
    with folder.watched():
        read(folder, 1)
    folder.put("b.pcap", capture(2))
    with folder.watched() as reader:
        read(folder, 2)
    assert folder.ports() == [1, 2]
    assert reader.counts["files"] == 1


def test_a_file_that_was_renamed_or_copied_is_known_by_its_content(folder: Folder) -> None:
    path = folder.put("a.pcap", capture(1))
    with folder.watched() as reader:
        read(folder, 1)
        path.rename(path.with_name("a.pcap.1"))
        counted(reader, "twice")
        folder.put("copy.pcap", capture(1))
        counted(reader, "twice", 2)
    assert folder.ports() == [1]


def test_a_file_is_left_alone_while_somebody_writes_to_it(folder: Folder) -> None:
    data = capture(1)
    path = folder.path / "a.pcap"
    with path.open("wb", buffering=0) as writer, folder.watched():
        writer.write(data[:50])
        folder.put("b.pcap", capture(2))
        read(folder, 1)
        writer.write(data[50:])
        folder.put("c.pcap", capture(3))
        read(folder, 2)
        writer.close()
        read(folder, 3)
    assert folder.ports() == [2, 3, 1]


def test_where_the_kernel_does_not_say_who_writes_the_newest_file_waits(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.folder.complete.is_written", lambda _path: None)
    for number, name in enumerate(("a.pcap", "b.pcap"), 1):
        os.utime(folder.put(name, capture(number)), (1000 + number, 1000 + number))
    with folder.watched():
        read(folder, 1)
    assert folder.told.begun == ["a.pcap"]
    with folder.watched(newest_seconds=0.1):
        read(folder, 2)
    assert folder.ports() == [1, 2]


def test_names_of_unfinished_transfers_are_not_looked_at(folder: Folder) -> None:
    for name in (".a.pcap.x7Gh", "a.pcap.part", "a.pcap.filepart", "a.pcap.tmp"):
        folder.put(name, capture(1))
    (folder.path / "within").mkdir()
    folder.put("b.pcap", capture(2))
    with folder.watched():
        read(folder, 1)
        (folder.path / "a.pcap.part").rename(folder.path / "a.pcap")
        read(folder, 2)
    assert folder.ports() == [2, 1]


def test_a_file_that_was_compressed_is_read_and_not_twice(folder: Folder) -> None:
    plain = folder.put("a.pcap", capture(1))
    folder.put("b.pcap.gz", gzip.compress(capture(2)))
    with folder.watched() as reader:
        read(folder, 2)
        # As a rotation does with what it keeps.
        folder.put("a.pcap.gz", gzip.compress(plain.read_bytes()))
        plain.unlink()
        wait_for(lambda: reader.counts["twice"] == 1, "the compressed file is known")
    assert sorted(folder.ports()) == [1, 2]
    assert reader.counts == {"files": 2, "twice": 1}


def test_what_reads_a_file_once_more_does_so_before_it_counts_as_read(folder: Folder) -> None:
    """As packet scripts do, whose stream is another one."""
    over = threading.Event()

    class Again(ScriptedSource):
        def stop(self) -> None:
            over.set()

    def again(_sink: Sink) -> None:
        assert over.wait(60)

    def opening(name: str, progress: Progress) -> list[tuple[Observation, list[Source]]]:
        ((observation, sources),) = light(name, progress)
        return [
            (observation, sources),
            (replace(observation, stream=f"{observation.stream}-again"), [Again("a", again)]),
        ]

    folder.put("a.pcap", capture(1))
    reader = open_folder(f"folder:{folder.path}", folder.settings(), opening, folder.publisher, folder.told)
    thread = threading.Thread(target=reader.run)
    thread.start()
    wait_for(lambda: len(folder.told.begun) == 2, "the file is read once more")
    assert not reader.counts
    reader.stop()
    thread.join()
    assert not reader.counts
    # It is read again, wholly, and comes to the same.
    with folder.watched() as reader:
        counted(reader, "files")
    assert len({record.id for each in folder.publisher.batches for record in each.records}) == 2


def test_files_that_are_no_captures_are_counted_once_and_stop_nobody(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.put("a.txt", b"no capture at all")
    folder.put("empty.pcap", b"")
    folder.put("packed.pcap.gz", b"\x1f\x8b\x08\x00")
    folder.put("cut.pcap", capture(1)[:-5])
    folder.put("z.pcap", capture(2))
    with caplog.at_level("WARNING"), folder.watched() as reader:
        read(folder, 2)
        folder.put("later.pcap", capture(3))
        read(folder, 3)
    assert reader.counts == {
        "files": 3,
        "cut-short": 1,
        "ignored-files.no-capture": 2,
        "ignored-files.empty": 1,
    }
    assert "cut short after 2 packets" in folder.told.ended["cut.pcap"]
    assert sorted(folder.ports()) == [1, 2, 3]
    told = [record.message for record in caplog.records]
    assert len(told) == 3
    assert any("packed.pcap.gz is compressed: unpack it with gunzip" in each for each in told)


def test_a_file_that_is_gone_before_it_was_read_is_counted(folder: Folder) -> None:
    first = folder.put("a.pcap", capture(1))
    second = folder.put("b.pcap", capture(2))
    for at, path in enumerate((first, second)):
        os.utime(path, (1000 + at, 1000 + at))

    def opening(name: str, progress: Progress) -> list[tuple[Observation, list[Source]]]:
        second.unlink(missing_ok=True)
        return light(name, progress)

    reader = open_folder(f"folder:{folder.path}", folder.settings(), opening, folder.publisher, folder.told)
    thread = threading.Thread(target=reader.run)
    thread.start()
    try:
        counted(reader, "rejected-files.gone")
    finally:
        reader.stop()
        thread.join()
    assert folder.ports() == [1]


def test_a_file_that_is_overwritten_or_removed_while_it_is_written_is_counted(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (folder.path / name for name in ("ring0.pcap", "ring1.pcap"))
    with (
        caplog.at_level("WARNING"),
        first.open("wb") as writing,
        second.open("wb") as removed,
        folder.watched() as reader,
    ):
        for file in (writing, removed):
            file.write(capture(1))
            file.flush()
        folder.put("other.pcap", capture(2))
        read(folder, 1)
        writing.truncate(30)
        counted(reader, "rejected-files.gone")
        second.unlink()
        counted(reader, "rejected-files.gone", 2)
        writing.seek(0)
        writing.write(capture(3))
        writing.close()
        read(folder, 2)
    assert folder.ports() == [2, 3]
    assert [f"ring{number}.pcap was removed or overwritten" in caplog.text for number in range(2)] == [True, True]


def test_a_file_that_grows_after_it_was_read_is_not_counted_twice(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    data = capture(1, packets=6)
    folder.put("a.pcap", data[:-200])
    with caplog.at_level("WARNING"), folder.watched() as reader:
        read(folder, 1)
        folder.put("a.pcap", data)
        counted(reader, "rejected-files.grown")
        folder.put("a.pcap", capture(2))
        wait_for(lambda: reader.counts["files"] == 2, "another file of the same name to be read")
    assert folder.ports() == [1, 2]
    assert "raise capture.folder.settled_seconds" in caplog.text


@pytest.mark.parametrize("remembered", [False, True])
def test_files_that_were_read_are_deleted(folder: Folder, *, remembered: bool) -> None:
    path = folder.put("a.pcap", capture(1))
    other = folder.put("notes.txt", b"no capture at all")
    if remembered:
        # As if the process had been killed between keeping that it was read and removing it.
        with folder.watched():
            read(folder, 1)
    with folder.watched(finished="delete") as reader:
        counted(reader, "deleted")
    assert not path.exists()
    assert other.exists()
    assert folder.ports() == [1]


def test_a_file_that_is_written_again_while_it_is_read_is_not_deleted(folder: Folder) -> None:
    folder.put("a.pcap", capture(1))
    end = folder.told.end

    def end_and_overwrite(name: str, node: CaptureNode, problem: str) -> None:
        end(name, node, problem)
        if len(folder.told.begun) == 1:
            folder.put("a.pcap", capture(2, packets=9))

    folder.told.end = end_and_overwrite  # type: ignore[method-assign]
    with folder.watched(finished="delete") as reader:
        counted(reader, "deleted")
    assert folder.ports() == [1, 2]
    assert not list(folder.path.iterdir())


def test_files_that_were_read_are_moved_and_overwrite_nothing(folder: Folder, tmp_path: Path) -> None:
    there = tmp_path / "done"
    there.mkdir()
    (there / "a.pcap").write_text("of somebody else")
    folder.put("a.pcap", capture(1))
    with folder.watched(finished="move", finished_folder=str(there)) as reader:
        counted(reader, "moved")
    assert (there / "a.pcap").read_text() == "of somebody else"
    assert (there / "a.pcap.1").read_bytes() == capture(1)
    assert not list(folder.path.iterdir())


def test_a_file_in_whose_middle_the_node_is_stopped_is_read_again(folder: Folder) -> None:
    folder.put("a.pcap", capture(1, packets=50))
    stopping = folder.opened()
    begin = folder.told.begin

    def begin_and_stop(name: str, node: CaptureNode) -> None:
        begin(name, node)
        stopping.stop()

    folder.told.begin = begin_and_stop  # type: ignore[method-assign]
    stopping.run()
    assert not folder.told.ended
    assert not [marker for marker in folder.publisher.markers if marker.records[0].final]  # type: ignore[union-attr]
    folder.told.begin = begin  # type: ignore[method-assign]
    with folder.watched():
        read(folder, 1)
    assert folder.ports() == [1]


def test_kafka_that_takes_nothing_any_more_ends_the_watch_and_nothing_is_remembered(folder: Folder) -> None:
    folder.put("a.pcap", capture(1))
    flush = folder.publisher.flush

    def refuse() -> None:
        raise PublishError("Kafka is away")

    folder.publisher.flush = refuse  # type: ignore[method-assign]
    with pytest.raises(PublishError, match="Kafka is away"):
        folder.opened().run()
    folder.publisher.flush = flush  # type: ignore[method-assign]
    with folder.watched():
        read(folder, 1)


def test_two_processes_do_not_watch_one_folder(folder: Folder) -> None:
    with (
        Memory(str(folder.memory), folder.path),
        pytest.raises(TaplineError, match="is watched by another process already"),
    ):
        folder.opened().run()


def test_what_is_wrong_is_told_before_anything_is_read(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(TaplineError, match="names no folder to watch: write folder:PATH"):
        open_folder("folder:", folder.settings(), light, folder.publisher, folder.told)
    with pytest.raises(TaplineError, match="finished_folder is not set"):
        folder.opened(finished="move").run()
    with pytest.raises(TaplineError, match="No such file or directory"):
        folder.opened(finished="move", finished_folder=str(tmp_path / "nowhere")).run()
    with pytest.raises(TaplineError, match="is no folder other than the one watched"):
        folder.opened(finished="move", finished_folder=str(folder.path)).run()
    (tmp_path / "memory").write_text("no folder")
    with pytest.raises(TaplineError, match=r"set capture\.folder\.memory"):
        folder.opened().run()
    with pytest.raises(TaplineError, match="is watched, alone or with other folders: use `tapline capture`"):
        open_capture(f"folder:{folder.path}", CaptureSettings())


def test_a_folder_that_goes_away_is_told(folder: Folder) -> None:
    reader = folder.opened()
    folder.path.rmdir()
    with pytest.raises(TaplineError, match=r"cannot look into .*incoming: No such file"):
        reader.run()


def test_a_memory_that_is_damaged_is_told(folder: Folder) -> None:
    with Memory(str(folder.memory), folder.path) as memory:
        memory.add("a.pcap", Finished(1, 2, "file-1"))
    (file,) = folder.memory.glob("*.sqlite")
    file.write_bytes(b"x" * 4096)
    with pytest.raises(TaplineError, match="remove it to read all"):
        folder.opened().run()


def test_the_memory_is_bounded_and_keeps_what_is_there(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture.folder.memory.MOST_GONE", 5)
    with Memory(str(folder.memory), folder.path) as memory:
        memory.add("there.pcap", Finished(1, 2, "file-there"))
        for number in range(11):
            memory.add(f"{number}.pcap", Finished(1, 2, f"file-{number}"))
        memory.prune({"there.pcap"})
    (file,) = folder.memory.glob("*.sqlite")
    connection = sqlite3.connect(file)
    assert connection.execute("select count(*) from finished").fetchone() == (6,)
    connection.close()
    with Memory(str(folder.memory), folder.path) as memory:
        assert memory.of("there.pcap") == Finished(1, 2, "file-there")
        assert memory.has("file-10")
        assert not memory.has("file-0")
