"""The source of flows that are stored in files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from capture.exports.collected import record_of
from capture.packets.files import Progress
from capture.source import CutShort, Observation, Sink
from capture.stored.format import Format, Ignored, Stored, StoredError
from capture.syslog.rejected import Rejected
from capture.tshark.process import Pipeline
from capture.windows import Windows
from topics.catalog import FLOW
from topics.partitions import digest

PUBLISHED: Final = 600
"""How many records that cannot be used are published as dead letters; those beyond are counted."""

_log = logging.getLogger("tapline.capture")
_CHUNK: Final = 1 << 18
_TOLD_EVERY: Final = 10_000


class StoredFile(Struct, frozen=True):
    """A file of stored flows.

    ``sha256`` is that of its content in hex, ``size`` is in bytes. No flow in it can have ended after ``latest``, in
    epoch microseconds.
    """

    path: Path
    sha256: str
    size: int
    latest: int


class StoredFlows:
    """The flows of files of one kind, one file after the other; their programs run as child processes.

    ``ignored`` are files that are not read, as (name, reason).
    Every record is a flow, is ignored, or is rejected for a reason; all are counted. What is put is named after the
    file's content and its place in it. A flow counts in the window in which it ended, see
    :class:`~capture.windows.Windows`.
    """

    def __init__(
        self,
        observation: Observation,
        kind: Format,
        files: Sequence[StoredFile],
        ignored: Sequence[tuple[str, str]] = (),
        progress: Progress | None = None,
    ) -> None:
        self.name = kind.name
        self._observation = observation
        self._kind = kind
        self._files = files
        self._ignored = ignored
        self._progress = progress
        self._pipeline: Pipeline | None = None
        self._stopping = False

    def run(self, sink: Sink) -> None:
        intake = _Intake(self._observation, self.name, sink)
        for name, reason in self._ignored:
            intake.count(f"ignored-files.{reason}")
            _log.info("ignored %s: %s", name, reason)
        problems, read = [], 0
        for file in self._files:
            problem = self._read(file, intake)
            if self._stopping:
                return
            if problem:
                problems.append(problem)
            intake.count("files")
            intake.count("bytes", file.size)
            intake.tell()
            read += file.size
            if self._progress is not None:
                self._progress(read)
        intake.finish(max(file.latest for file in self._files))
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise CutShort(problems[0] + more)

    def stop(self) -> None:
        self._stopping = True
        if self._pipeline is not None:
            self._pipeline.stop()

    def _read(self, file: StoredFile, intake: _Intake) -> str:
        """Take the records of a file; why it could not be read to its end, empty where it could."""
        prefix = digest(self._observation.identity, self.name, file.sha256)[:20]
        with Pipeline([self._kind.command(file.path)]) as pipeline:
            self._pipeline = pipeline
            if self._stopping:
                pipeline.stop()
            for number, record in enumerate(self._kind.records(self._chunks(pipeline)), 1):
                try:
                    stored = self._kind.decode(record)
                    if isinstance(stored, Ignored):
                        intake.count(f"ignored.{stored.reason}")
                    else:
                        intake.put(stored, file, f"{prefix}{number:012x}")
                except StoredError as error:
                    intake.reject(record, error.reason, f"{file.path.name}:{number}: {error.detail}")
                intake.count("records")
                if number % _TOLD_EVERY == 0:
                    intake.tell()
            ((code, said),) = pipeline.finish()
        if self._stopping or not (code or said):
            return ""
        why = said[0] if said else f"it ended with code {code}"
        return f"{file.path.name} is damaged or cut short, what could be read was used: {self._kind.program}: {why}"

    def _chunks(self, pipeline: Pipeline) -> Iterator[bytes]:
        for chunk in pipeline.chunks(_CHUNK):
            if self._stopping:
                return
            if chunk:
                yield chunk


class _Intake:
    """Puts flows, and rejects what cannot be used.

    What is rejected before the first flow has come waits for that, since it is its time that the windows begin at.
    """

    def __init__(self, observation: Observation, name: str, sink: Sink) -> None:
        self._observation = observation
        self._name = name
        self._sink = sink
        self._rejected = Rejected(observation, name, PUBLISHED, sink)
        self._windows: Windows | None = None
        self._waiting: list[tuple[bytes, str, str]] = []
        self._counts: Counter[str] = Counter()

    def count(self, counter: str, amount: int = 1) -> None:
        """Add to one of the source's counters, which the sink is told of later."""
        self._counts[counter] += amount

    def tell(self) -> None:
        """Tell the sink what was counted since."""
        for counter, amount in self._counts.items():
            self._sink.count(self._name, counter, amount)
        self._counts.clear()

    def put(self, stored: Stored, file: StoredFile, record_id: str) -> None:
        """Put a flow; :class:`~capture.stored.format.StoredError` when its time cannot be."""
        flow, received = stored.flow, stored.received
        end = flow.end
        if end > file.latest:
            if not 0 < received <= file.latest:
                raise StoredError("time", "it is more than a day after the file was last written")
            self.count("time-not-believed")
            end = received
        windows = self._windows or self._begin(end)
        windows.reach(end)
        record = record_of(flow, self._observation, record_id, end)
        self._sink.put(FLOW, record.community_id, record, windows.place(end))
        self.count("flows")

    def reject(self, record: bytes, reason: str, detail: str) -> None:
        """Count a record that cannot be used, and publish it as a dead letter."""
        windows = self._windows
        if windows is not None:
            time = windows.reached
            self._rejected.add(record, self._rejected.count + 1, reason, detail, time, windows.place(time))
        elif len(self._waiting) < PUBLISHED:
            self._waiting.append((record, reason, detail))
        else:
            self.count(f"rejected.{reason}")
            self.count("unpublished")

    def finish(self, latest: int) -> None:
        """Nothing more comes; where no flow has come, ``latest`` is the time of what was rejected."""
        if self._waiting:
            self._begin(latest)
        self.tell()

    def _begin(self, first: int) -> Windows:
        """The windows from now on; what has waited is rejected."""
        windows = self._windows = Windows(self._sink, self._name, first)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self.reject(*each)
        return windows
