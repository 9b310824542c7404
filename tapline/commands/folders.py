"""Watching folders of capture files, and telling of each file what became of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from capture.folder import NAME, SCHEME
from capture.folder.opening import open_folder
from capture.folder.reader import FolderReader
from capture.node import CaptureNode
from capture.open import open_capture
from capture.packets.files import Progress
from capture.publisher import KafkaPublisher
from capture.settings import CaptureSettings
from capture.source import Observation, Source
from tapline.commands.capturing import Summary, dropped_so_far, print_summaries, summary_of
from tapline.commands.progress import CaptureProgress
from tapline.commands.running import run_together
from tapline.configuration import Configuration
from tapline.process.health import Health
from tapline.process.metrics import MetricsServer

PacketsOfFile = Callable[[Observation, str], tuple[Observation, list[Source]]]
"""Makes the observation of a file by packet scripts, and its source."""


def are_folders(captures: Sequence[str]) -> bool:
    """True when all of these are folders to watch."""
    return all(name.startswith(SCHEME) for name in captures)


def watch(
    configuration: Configuration,
    folders: Sequence[str],
    settings: CaptureSettings,
    packets: PacketsOfFile | None,
    *,
    metrics_port: int,
    as_json: bool,
) -> None:
    """Publish the files of these folders, all folders at once, until asked to stop.

    ``packets`` makes what shows a file to packet scripts, where there are any. What a file came to is printed when it
    was read, what a folder came to at the end.
    :class:`~topics.errors.TaplineError` when a folder cannot be watched, or Kafka is not there or fails.
    """
    health = Health()
    progress = CaptureProgress()
    told = _Told(progress, as_json=as_json)

    def opening(name: str, reading: Progress) -> list[tuple[Observation, list[Source]]]:
        observation, sources = open_capture(name, settings, progress=reading)
        return [(observation, sources), *([packets(observation, name)] if packets is not None else [])]

    with (
        MetricsServer(health, host=configuration.process.metrics_host, port=metrics_port),
        progress,
        KafkaPublisher(configuration.kafka, live=False, queue_megabytes=settings.queue_megabytes) as publisher,
    ):
        readers = [(name, open_folder(name, settings.folder, opening, publisher, told)) for name in folders]
        run_together([(NAME, reader) for _, reader in readers], health)
    print_summaries([_of_folder(name, reader) for name, reader in readers], as_json=as_json)


class _Told:
    """Shows how far files have come, and prints what they came to."""

    def __init__(self, progress: CaptureProgress, *, as_json: bool) -> None:
        self._progress = progress
        self._as_json = as_json
        self._dropped: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def progress(self, name: str) -> Progress:
        return self._progress.reader(name)

    def forget(self, name: str) -> None:
        self._progress.forget(name)

    def begin(self, name: str, node: CaptureNode) -> None:
        self._dropped[name] = dropped_so_far()
        self._progress.begin(name, node)

    def end(self, name: str, node: CaptureNode, problem: str) -> None:
        self._progress.forget(name)
        with self._lock:
            print_summaries([summary_of(name, node, self._dropped.pop(name), problem)], as_json=self._as_json)


def _of_folder(name: str, reader: FolderReader) -> Summary:
    """What became of a folder's files; what they held is told of each."""
    reasons: dict[str, dict[str, int]] = {"ignored-files": {}, "rejected-files": {}}
    for counter, amount in reader.counts.items():
        family, _, reason = counter.partition(".")
        if family in reasons:
            reasons[family][reason] = amount
    return Summary(
        source=name,
        stream="",
        node="",
        packets=0,
        bytes=0,
        lines=0,
        flow_bytes=0,
        readings=0,
        traps=0,
        records={},
        rejected=reasons["rejected-files"],
        ignored=reasons["ignored-files"],
        dropped={},
        events={f"{NAME}.{counter}": amount for counter, amount in reader.counts.items() if "." not in counter},
    )
