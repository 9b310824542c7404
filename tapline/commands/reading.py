"""Running the sources of captures into lines of text."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import click
import msgspec

from capture.host.settings import HostSettings
from capture.open import ASKED, WITHOUT_PACKETS, missing_tshark, open_capture
from capture.settings import CaptureSettings
from capture.source import CutShort, Source
from exporters.elasticsearch.documents import MAKERS, encode_document
from tapline.commands.lines import line
from tapline.configuration import Configuration
from tapline.packets import EnabledPacketScripts
from tapline.process.signals import on_stop_signal
from topics.catalog import METRIC, Topic
from topics.errors import TaplineError
from topics.records import Record

_KINDS = frozenset(MAKERS)


class Printer:
    """A :class:`capture.source.Sink` that prints what Elasticsearch would hold.

    ``flush`` after every record, for a capture that goes on. ``refused`` counts the records that
    cannot be a document. With ``samples`` lines are printed of samples as well, which are no documents.
    """

    def __init__(self, output: BinaryIO, stream: str, *, as_json: bool, flush: bool, samples: bool = False) -> None:
        self.refused = 0
        self._output = output
        self._stream = stream
        self._as_json = as_json
        self._flush = flush
        self._kinds = _KINDS | {METRIC.kind} if samples and not as_json else _KINDS
        self._lock = threading.Lock()

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:  # noqa: ARG002 - a sink's signature
        if topic.kind not in self._kinds:
            return
        try:
            text = (
                encode_document(topic, record, self._stream, window)
                if self._as_json
                else line(topic.kind, record).encode("utf-8", "replace")
            )
        except ValueError as error:
            self.refused += 1
            click.echo(f"tapline: a {topic.kind} record cannot be a document: {error}", err=True)
            return
        with self._lock:
            self._output.write(text + b"\n")
            if self._flush:
                self._output.flush()

    def advance(self, source: str, window: int) -> None:
        """Nothing is held back for a window's end."""

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        """The records themselves are the result here; `tapline capture` tells the counts."""


def read(
    configuration: Configuration,
    captures: Sequence[str],
    arguments: Sequence[str] = (),
    depth: str | None = None,
    engine: str | None = None,
    flows: str | None = None,
    *,
    as_json: bool,
) -> int:
    """Print the records of each capture; 1 when one of them could not be read, else 0.

    ``arguments`` are the options of `tapline`, for the processes of packet scripts.
    """
    settings = configuration.capture
    asked = {name: value for name, value in (("depth", depth), ("engine", engine), ("flows", flows)) if value}
    # Whoever looks takes nothing from a node that runs: what that has read of the host is its own.
    own = {"host": HostSettings(state_file="")}
    settings = msgspec.convert(msgspec.structs.asdict(settings) | asked | own, CaptureSettings)
    scripts = EnabledPacketScripts(configuration.workers, arguments)
    packets = scripts.source if scripts.find() else None
    if missing_tshark(settings) and not all(name.startswith(WITHOUT_PACKETS) for name in captures):
        click.echo("tapline: tshark is not installed: only flows are shown (apt install tshark)", err=True)
    code = 0
    output = sys.stdout.buffer
    for capture in captures:
        try:
            observation, sources = open_capture(capture, settings, packets=packets)
            samples = capture.startswith(ASKED)
            if not observation.is_file:
                _run_together(
                    sources, Printer(output, observation.stream, as_json=as_json, flush=True, samples=samples)
                )
                continue
            read = [(observation, sources)]
            if packets is not None and not capture.startswith(WITHOUT_PACKETS):
                read.append(scripts.of_file(observation, capture))
            _run_in_turn(
                (source, Printer(output, each.stream, as_json=as_json, flush=False, samples=samples))
                for each, its_sources in read
                for source in its_sources
            )
        except TaplineError as error:
            output.flush()
            click.echo(f"tapline: {error}", err=True)
            code = 1
        output.flush()
    return code


def _run_in_turn(sources: Iterable[tuple[Source, Printer]]) -> None:
    """One after the other: the same file then always gives the same lines in the same order.

    A file that is cut short is read by every source as far as it goes, and then said to be so.
    """
    cut_short: CutShort | None = None
    for source, printer in sources:
        try:
            source.run(printer)
        except CutShort as error:
            cut_short = cut_short or error
    if cut_short is not None:
        raise cut_short


def _run_together(sources: Sequence[Source], printer: Printer) -> None:
    errors: list[BaseException] = []

    def stop() -> None:
        for source in sources:
            source.stop()

    def run(source: Source) -> None:
        try:
            source.run(printer)
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            errors.append(error)
            stop()

    threads = [threading.Thread(target=run, args=(source,), name=source.name) for source in sources]
    with on_stop_signal(stop):
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    if errors:
        raise errors[0]
