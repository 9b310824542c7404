"""The source that shows packets to scripts, and puts what these make of them."""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from typing import Final

from capture.packet_scripts import NAME
from capture.packet_scripts.interface import Emitted, PacketScripts, SeenPacket
from capture.packet_scripts.program import Dissector, command, needed_tshark
from capture.packet_scripts.relay import Printed, Relay, number_of
from capture.packets.files import STANDARD_INPUT
from capture.settings import CaptureSettings
from capture.source import LIVE, CutShort, Observation, Sink
from capture.tshark.command import live_commands
from capture.tshark.process import Pipeline, reason_of
from capture.tshark.program import Program
from capture.tshark.source import CUT_SHORT, DROPPED, GRACE, PERMISSION_HINT
from topics.errors import TaplineError
from topics.records import WINDOW_SECONDS

_BATCH: Final = 64
"""How many packets of a file are shown at once."""


class PacketSource:
    """Shows the packets of an input that display filters let through to scripts, in the thread that runs it.

    Of a file, tshark reads all of it, one for each filter, and scripts see its packets in the file's order. An
    interface or a stream is read here, and tsharks are changed as it goes on (:mod:`capture.packet_scripts.relay`).
    """

    def __init__(
        self, observation: Observation, path_or_interface: str, settings: CaptureSettings, scripts: PacketScripts
    ) -> None:
        self._observation = observation
        self._input = path_or_interface
        self._settings = settings
        self._scripts = scripts
        self._live = observation.stream == LIVE
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._pipelines: list[Pipeline] = []
        self._window = -1

    @property
    def name(self) -> str:
        """``packets``."""
        return NAME

    def run(self, sink: Sink) -> None:
        from capture.packet_scripts.decoding import PacketReader  # noqa: PLC0415 - only where it is used

        program = needed_tshark()
        reader = PacketReader(program.path, self._observation)
        scripts = self._scripts
        problem: TaplineError | None = None
        scripts.start()
        try:
            try:
                for printed in self._printed(program, sink):
                    if self._given_up():
                        return
                    self._show(sink, reader.read_all(printed, partial(sink.count, NAME)))
            except TaplineError as error:
                if self._observation.is_file and not isinstance(error, CutShort):
                    raise
                problem = error
            if self._given_up():
                return
            self._put(sink, scripts.finish())
        finally:
            scripts.stop()
            self._count(sink, scripts.take_counts())
        if problem is not None:
            raise problem

    def stop(self) -> None:
        self._stopped.set()
        with self._lock:
            for pipeline in self._pipelines:
                pipeline.stop()

    def _given_up(self) -> bool:
        """True when a file was not read to its end: what would be put now is other than when it is."""
        return self._stopped.is_set() and self._observation.is_file

    def _show(self, sink: Sink, packets: list[SeenPacket]) -> None:
        scripts = self._scripts
        if packets:
            sink.count(NAME, "shown", len(packets))
            self._put(sink, scripts.show(packets))
            self._count(sink, scripts.take_counts())
        if self._live:
            # An interface may be silent, and its packets take some time to come out of tshark.
            self._put(sink, scripts.reach(time.time_ns() // 1000 - GRACE))
        if scripts.window > self._window:
            self._window = scripts.window
            sink.advance(NAME, self._window - WINDOW_SECONDS)

    def _put(self, sink: Sink, emitted: Iterable[Emitted]) -> None:
        for each in emitted:
            sink.put(each.topic, each.key, each.record, each.window)

    def _count(self, sink: Sink, counts: Mapping[str, int]) -> None:
        for counter, amount in counts.items():
            sink.count(NAME, counter, amount)

    def _printed(self, program: Program, sink: Sink) -> Iterator[list[Printed]]:
        """What the tsharks print."""
        if self._observation.is_file:
            return self._of_file(program)
        return self._of_interface(program, sink) if self._live else self._of_stream(program, sink)

    def _of_file(self, program: Program) -> Iterator[list[Printed]]:
        filters = self._scripts.display_filters
        with ExitStack() as stack:
            pipelines = [
                stack.enter_context(self._pipeline([command(program, self._input, each, buffered=True)]))
                for each in filters
            ]
            lines = [_numbered(each, pipeline) for each, pipeline in zip(filters, pipelines, strict=True)]
            batch: list[Printed] = []
            for printed in heapq.merge(*lines, key=attrgetter("number")):
                batch.append(printed)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
            yield batch
            endings = [pipeline.finish()[0] for pipeline in pipelines]
        for code, said in endings:
            self._judge(code, said)

    def _of_interface(self, program: Program, sink: Sink) -> Iterator[list[Printed]]:
        dumpcap = live_commands(program, self._input, self._settings)[0]
        with self._pipeline([dumpcap]) as pipeline:
            yield from self._relayed(program, pipeline.fileno(), sink)
            code, said = pipeline.finish()[0]
        for line in said:
            # Not "dropped": those are the packets that flows lack.
            if (missed := DROPPED.search(line)) and missed[1] != "0":
                sink.count(NAME, "missed.kernel", int(missed[1]))
        self._judge(code, said)

    def _of_stream(self, program: Program, sink: Sink) -> Iterator[list[Printed]]:
        try:
            descriptor = (
                os.dup(0) if self._input == STANDARD_INPUT else os.open(self._input, os.O_RDONLY | os.O_CLOEXEC)
            )
        except OSError as error:
            raise TaplineError(f"cannot read {self._observation.observation_point}: {error.strerror}") from error
        try:
            yield from self._relayed(program, descriptor, sink)
        finally:
            os.close(descriptor)

    def _relayed(self, program: Program, descriptor: int, sink: Sink) -> Iterator[list[Printed]]:
        """What the tsharks print of a stream, in which they are changed."""
        every = self._settings.packet_scripts.packets_per_tshark
        count = partial(sink.count, NAME)
        filters = self._scripts.display_filters
        relay = Relay(descriptor, filters, partial(Dissector, program), every, count)
        try:
            for printed in relay.lines():
                yield printed
                if self._scripts.display_filters != filters:
                    # Scripts were loaded again.
                    filters = self._scripts.display_filters
                    relay.show(filters)
                if self._stopped.is_set() and not self._live:
                    relay.end()
        except TaplineError as error:
            raise TaplineError(f"cannot read {self._observation.observation_point}: {error}") from error
        finally:
            sink.count(NAME, "read", relay.fed)
            relay.stop()
        if relay.cut_short and not self._stopped.is_set():
            raise CutShort(f"{self._observation.observation_point} ends inside a packet")

    def _pipeline(self, commands: list[list[str]]) -> Pipeline:
        made = Pipeline(commands)
        with self._lock:
            self._pipelines.append(made)
            if self._stopped.is_set():
                made.stop()
        return made

    def _judge(self, code: int, said: list[str]) -> None:
        """Raise what the end of a process means, unless it is well."""
        if code == 0 or self._stopped.is_set():
            return
        reason = reason_of(code, said).replace(self._input, self._observation.observation_point)
        if self._live:
            hint = PERMISSION_HINT if "permission" in reason else ""
            raise TaplineError(f"cannot capture on {self._input}: {reason}{hint}")
        if any(CUT_SHORT.search(line) for line in said):
            raise CutShort(f"{self._observation.observation_point} is damaged or ends early: {reason}")
        raise TaplineError(f"cannot read {self._observation.observation_point}: {reason}")


def _numbered(display_filter: str, pipeline: Pipeline) -> Iterator[Printed]:
    for line in pipeline.lines():
        number = number_of(line)
        if number:
            yield Printed(display_filter, number, line)
