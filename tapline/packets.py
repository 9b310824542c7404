"""Packet scripts and capture nodes brought together: neither knows the other.

A capture node shows packets to something of the shape of :class:`~capture.packet_scripts.interface.PacketScripts`, and
the scripts run in :class:`~workers.packet_monitor.PacketCore`, which has it. Both are made and joined here: in a
process of their own for `tapline capture` and `read`, in this one for `tapline try` and tests.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from capture.packet_scripts.interface import SeenPacket
from capture.packet_scripts.process import PacketProcess, RecordWriter
from capture.settings import CaptureSettings
from capture.source import LIVE, Observation, Source
from tapline.monitors import PacketMonitor
from tapline.process.signals import on_stop_signal
from tapline.process.supervisor import ourselves
from topics.catalog import CATALOG
from topics.errors import TaplineError
from topics.partitions import digest
from topics.records import Record
from workers.environment import Environment
from workers.packet_monitor import Emission, PacketCore
from workers.scripting.approval import Approval
from workers.scripting.check import Problem
from workers.scripting.reload import ScriptFolders, ScriptReloader
from workers.scripting.scripts import ScriptFile, ScriptSet, load_files, script_paths, script_set
from workers.settings import WorkersSettings

if TYPE_CHECKING:
    from capture.feed import CaptureFeed

T = TypeVar("T")

SCRIPTS_STREAM: Final = "-packets-"
"""What the name of a stream has in it that packet scripts have made of a file."""

_PARTITIONS: Final = {topic.kind: 1 for topic in CATALOG}
_NAMED: Final = PacketMonitor.__name__.encode()


def has_packet_scripts(scripts: ScriptSet) -> bool:
    """True when one of these scripts sees packets."""
    return bool(scripts.of(PacketMonitor))


def check_filters(scripts: ScriptSet) -> None:
    """:class:`TaplineError` for the first display filter that tshark does not know, or where there is no tshark."""
    if not has_packet_scripts(scripts):
        return
    from capture.packet_scripts.program import filter_problem  # noqa: PLC0415 - only where there are packet scripts

    for script in scripts.of(PacketMonitor):
        assert issubclass(script.monitor, PacketMonitor)
        problem = filter_problem(script.monitor.display_filter.strip())
        if problem:
            raise TaplineError(f"{script.path}: {script.name}: display_filter: {problem}")


def filter_problems(file: ScriptFile) -> Iterator[Problem]:
    """What is wrong with the display filters of a script file, each at the line where it stands."""
    if not any(issubclass(script.monitor, PacketMonitor) for script in file.scripts):
        return
    from capture.packet_scripts.program import filter_problem  # noqa: PLC0415 - as above

    lines = file.content.decode("utf-8", "replace").splitlines()
    for script in file.scripts:
        display_filter = getattr(script.monitor, "display_filter", "")
        if not issubclass(script.monitor, PacketMonitor) or not isinstance(display_filter, str) or not display_filter:
            continue
        line = next((number for number, text in enumerate(lines, 1) if display_filter in text), 1)
        try:
            problem = filter_problem(display_filter.strip())
        except TaplineError as error:
            problem = str(error)
        if problem:
            yield Problem(file.path, line, f"display_filter of {script.monitor.__name__}: {problem}")


def observe_packets(observation: Observation, scripts: Iterable[Path], params: Mapping[str, Any]) -> Observation:
    """The observation of a file by these scripts: a stream of its own, another one when they have changed.

    What they emit is not in the order of what engines make of the file, and so cannot be told apart from that by its
    place in one stream when the file is read again.
    """
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in scripts]
    version = digest(*texts, msgspec.json.encode(params, order="deterministic").decode())[:8]
    stream = f"{observation.stream}{SCRIPTS_STREAM}{version}"
    return replace(observation, stream=stream, identity=stream, producer=stream)


class EnabledPacketScripts:
    """The packet scripts among those of ``workers.scripts``, which run at this capture node.

    ``arguments`` are the options of `tapline` under which their processes are started.
    """

    def __init__(self, settings: WorkersSettings, arguments: Sequence[str]) -> None:
        self._settings = settings
        self._arguments = arguments
        self._paths: list[Path] = []

    def find(self) -> bool:
        """See whether there are any; :class:`TaplineError` says what is wrong with them."""
        scripts = load_enabled(self._settings)
        check_filters(scripts)
        self._paths = list(dict.fromkeys(script.path for script in scripts.of(PacketMonitor)))
        return bool(self._paths)

    def source(self, observation: Observation, named: str) -> Source:
        """The source that shows them what is observed."""
        told = msgspec.json.encode(observation).decode()
        return PacketProcess(ourselves(*self._arguments, "capture", "--for-packet-scripts", told, named))

    def of_file(self, observation: Observation, named: str) -> tuple[Observation, list[Source]]:
        """What they make of a capture file: an observation and its source."""
        own = observe_packets(observation, self._paths, self._settings.params)
        return own, [self.source(own, named)]


def load_enabled(settings: WorkersSettings) -> ScriptSet:
    """The enabled scripts of files that name packet monitors; :class:`TaplineError` when one cannot be used."""
    paths = [path for path in script_paths(settings.scripts) if _may_see_packets(path)]
    return load_files(paths, settings.params, Approval.of(settings))


def _may_see_packets(path: Path) -> bool:
    """True when a script, or what it may derive from in a file that is there for others, names packet monitors."""
    beside = path.resolve().parent.glob("_*.py")
    return any(_NAMED in each.read_bytes() for each in (path, *beside) if each.is_file())


def run_for_capture(observed: str, named: str, capture: CaptureSettings, workers: WorkersSettings) -> None:
    """Be the process that shows packets to the enabled scripts, and write what they emit to standard output.

    ``observed`` is the observation of the capture node that has started it, as JSON.
    """
    from capture.packet_scripts.source import PacketSource  # noqa: PLC0415 - as above

    observation = msgspec.json.decode(observed, type=Observation)
    output = os.fdopen(os.dup(1), "wb")
    # What scripts and programs of theirs print must not get between the records.
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    writer = RecordWriter(output)
    try:
        core = (
            reloading_core(workers, observation.stream)
            if observation.stream == LIVE
            else packet_core(load_enabled(workers), workers, observation.stream)
        )
        source = PacketSource(observation, named, capture, core)
        with on_stop_signal(source.stop):
            source.run(writer)
    except TaplineError as error:
        writer.failed(error)


def packet_core(scripts: ScriptSet, settings: WorkersSettings, stream: str) -> PacketCore:
    """Packet scripts at work by themselves, in a process without other stages."""
    return PacketCore(Environment(settings, scripts, _PARTITIONS), stream)


def reloading_core(settings: WorkersSettings, stream: str) -> PacketCore:
    """The enabled packet scripts at work; those that change are loaded again, what cannot be used changes nothing."""
    environment = Environment(settings, script_set(()), _PARTITIONS)
    folders = ScriptFolders(settings, environment.budget, _may_see_packets, _filter_problem)
    environment.scripts = folders.load()
    return PacketCore(environment, stream, ScriptReloader(environment, folders))


def _filter_problem(file: ScriptFile) -> str:
    """What is wrong with the first display filter of a file that is; nothing where all are well."""
    return next((problem.message for problem in filter_problems(file)), "")


class TriedPackets:
    """Packet scripts that are tried: they run in the thread that reads a feed, and what they emit is told at once.

    They are :class:`~capture.packet_scripts.interface.PacketScripts` for a source of that feed, which is named with
    :meth:`attach` before it is read.
    """

    def __init__(self, core: PacketCore, emitted: Callable[[str, Record], None]) -> None:
        self._core = core
        self._emitted = emitted
        self._feed: CaptureFeed | None = None

    def attach(self, feed: CaptureFeed) -> None:
        """Run where this is read."""
        self._feed = feed

    @property
    def display_filters(self) -> Sequence[str]:
        return self._core.display_filters

    @property
    def window(self) -> int:
        return self._core.window

    def start(self) -> None:
        self._there(self._core.start)

    def show(self, packets: Sequence[SeenPacket]) -> Sequence[Emission]:
        return self._there(partial(self._told, partial(self._core.show, packets)))

    def reach(self, time: int) -> Sequence[Emission]:
        return self._there(partial(self._told, partial(self._core.reach, time)))

    def finish(self) -> Sequence[Emission]:
        return self._there(partial(self._told, self._core.finish))

    def stop(self) -> None:
        if self._feed is not None and self._feed.is_read:
            self._there(self._core.stop)
        else:
            # Whoever has read waits for this thread to end.
            self._core.stop()

    def take_counts(self) -> Mapping[str, int]:
        return self._core.take_counts()

    def _told(self, work: Callable[[], Sequence[Emission]]) -> Sequence[Emission]:
        emissions = work()
        for each in emissions:
            self._emitted(each.topic.kind, each.record)
        return emissions

    def _there(self, work: Callable[[], T]) -> T:
        assert self._feed is not None
        return self._feed.call(work)
