"""Packet scripts in a process of their own, so that a slow or broken one takes no packets from the flow engine.

The process writes what :class:`RecordWriter` makes of it, one JSON array a line, and the capture node reads it.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import msgspec
from msgspec import Raw, Struct

from capture.packet_scripts import NAME
from capture.source import CutShort, Sink
from topics.catalog import BY_KIND, Topic
from topics.errors import TaplineError
from topics.records import Record

_STOP_SECONDS: Final = 20.0


class _Put(Struct, frozen=True, array_like=True, tag="put"):
    kind: str
    key: str
    window: int
    record: Raw


class _Advance(Struct, frozen=True, array_like=True, tag="advance"):
    window: int


class _Count(Struct, frozen=True, array_like=True, tag="count"):
    counter: str
    amount: int


class _Failed(Struct, frozen=True, array_like=True, tag="failed"):
    problem: str
    cut_short: bool


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Put | _Advance | _Count | _Failed).decode
_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(topic.record) for kind, topic in BY_KIND.items()
}


class RecordWriter:
    """A :class:`~capture.source.Sink` that writes to another process what is put into it."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:
        self._write(_Put(topic.kind, key, window, Raw(_encode(record))))

    def advance(self, source: str, window: int) -> None:  # noqa: ARG002 - a sink's signature
        self._write(_Advance(window))

    def count(self, source: str, counter: str, amount: int = 1) -> None:  # noqa: ARG002 - as above
        self._write(_Count(counter, amount))

    def failed(self, error: TaplineError) -> None:
        """Say why it has ended."""
        self._write(_Failed(str(error), isinstance(error, CutShort)))

    def _write(self, line: Struct) -> None:
        self._output.write(_encode(line) + b"\n")
        self._output.flush()


class PacketProcess:
    """The source whose records another process makes, which is started with ``command``."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """``packets``."""
        return NAME

    def run(self, sink: Sink) -> None:
        with self._lock:
            if self._stopped:
                return
            try:
                self._process = process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
            except OSError as error:
                raise TaplineError(f"packet scripts cannot be started: {error.strerror or error}") from error
        problem: TaplineError | None = None
        try:
            for line in process.stdout or ():
                problem = self._take(sink, line) or problem
            code = process.wait()
        finally:
            self._close(process)
        if problem is not None:
            raise problem
        if code and not self._stopped:
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise TaplineError(f"the process of the packet scripts has ended with {ended}: see what it has logged")

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        """Leave no process behind."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _take(self, sink: Sink, line: bytes) -> TaplineError | None:
        """Do what a line says; the error that it tells of."""
        said = _decode(line)
        if isinstance(said, _Put):
            sink.put(BY_KIND[said.kind], said.key, _decoders[said.kind].decode(said.record), said.window)
        elif isinstance(said, _Advance):
            sink.advance(NAME, said.window)
        elif isinstance(said, _Count):
            sink.count(NAME, said.counter, said.amount)
        elif isinstance(said, _Failed):
            return CutShort(said.problem) if said.cut_short else TaplineError(said.problem)
        return None
