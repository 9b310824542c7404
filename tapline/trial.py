"""Scripts at work in this process, without Kafka: on captures, on records made by hand, on what topics hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from io import TextIOBase
from pathlib import Path
from typing import Any, Final, Protocol, Self

import msgspec
from msgspec import Struct
from prometheus_client import REGISTRY

from capture.feed import CaptureFeed
from capture.open import WITHOUT_PACKETS, missing_tshark, open_capture
from capture.packets.files import Progress
from capture.settings import CaptureSettings
from capture.source import Observation, Sink, Source, observe_file, window_of
from tapline.checks import ResourceCheck
from tapline.checks.base import Check
from tapline.monitors import FullTextMonitor, PacketMonitor, ResourceMonitor
from tapline.packets import TriedPackets, check_filters, has_packet_scripts, observe_packets
from tapline.policy.effective import PolicyView
from tapline.policy.model import CheckSettings
from tapline.process.signals import told_apart
from tapline.script import Script
from topics.catalog import ALERT, ANNOTATION, COUNTER, DEAD, DOCUMENT, FLOW, MESSAGE, METRIC, RESOURCE, TRACK, Topic
from topics.codec import Envelope
from topics.errors import TaplineError
from topics.partitions import digest
from topics.records import Alert, Document, Endpoints, Flow, Metric, Record, Resource
from workers.counting.groups import GROUPS, SAMPLED, SCORES
from workers.environment import ScriptError
from workers.packet_monitor import PacketCore
from workers.pipeline import Message, Observer, Pipeline
from workers.scripting.scripts import LoadedScript, ScriptSet, load_classes, load_files
from workers.settings import WorkersSettings

EMITTED: Final = (ALERT, RESOURCE, DOCUMENT, COUNTER, TRACK, ANNOTATION, MESSAGE, DEAD)
"""The topics whose records say what scripts did."""

_KINDS: Final = frozenset(topic.kind for topic in EMITTED)
_TOPICS: Final[Mapping[type[Record], Topic]] = {
    Flow: FLOW,
    Metric: METRIC,
    Resource: RESOURCE,
    Document: DOCUMENT,
    Alert: ALERT,
}
_BUILT_IN: Final = {group.name: {meter.name for meter in group.meters} for group in GROUPS if group is not SCORES}
_SAMPLED: Final = frozenset(group.name for group in SAMPLED)
_UNLIMITED_KB: Final = 1 << 40
_METRICS: Final = {
    "tapline_script_calls_total": "calls",
    "tapline_script_seconds_total": "seconds",
    "tapline_script_errors_total": "errors",
}


class HookCalls(Struct, frozen=True, kw_only=True):
    """How often a hook of a script was called, how long that took in all, and how often it raised."""

    script: str
    hook: str
    calls: int
    seconds: float
    errors: int


class Listener(Protocol):
    """What is told of everything that scripts do, as it happens."""

    def emitted(self, kind: str, record: Record) -> None:
        """A record that a script, or a stage about it, has published; ``kind`` is its topic's."""

    def failed(self, error: ScriptError) -> None:
        """A hook that raised."""


class Trial:
    """All stages of the workers in memory, with these scripts; a context manager.

    ``listener`` is told what the scripts do; of counters only those with meters that scripts made. ``also`` is
    given every message the stages publish.
    """

    def __init__(
        self,
        scripts: ScriptSet,
        listener: Listener,
        *,
        partitions: int | Mapping[str, int] = 1,
        settings: WorkersSettings | None = None,
        also: Observer | None = None,
    ) -> None:
        self._scripts = scripts
        self._listener = listener
        self._also = also
        # What a script prints here is what one wants to see: all of it.
        settings = msgspec.structs.replace(settings or WorkersSettings(), scripts=[], script_output_kb=_UNLIMITED_KB)
        self._settings = settings
        self._pipeline = Pipeline(
            scripts, partitions, settings=settings, observer=self._observe, failed=listener.failed
        )
        self._before: dict[tuple[str, str, str], float] = {}

    @property
    def partitions(self) -> Mapping[str, int]:
        """How many partitions each kind of topic has."""
        return self._pipeline.partitions

    def feed(self, messages: Iterable[Message]) -> None:
        """Let these messages pass through the stages."""
        self._pipeline.feed(messages)

    def feeds(self, capture: str, settings: CaptureSettings, progress: Progress | None = None) -> Iterator[CaptureFeed]:
        """What is to be read of a capture, one after the other: of a file also what packet scripts make of it."""
        if not has_packet_scripts(self._scripts) or capture.startswith(WITHOUT_PACKETS):
            observation, sources = open_capture(capture, settings, progress=progress)
            yield CaptureFeed(observation, sources, self.partitions)
            return
        tried: list[TriedPackets] = []

        def packets(observation: Observation, named: str) -> Source:
            from capture.packet_scripts.source import PacketSource  # noqa: PLC0415 - only where there are packet scripts

            core = PacketCore(self._pipeline.environment, observation.stream)
            tried.append(TriedPackets(core, self._emitted))
            return PacketSource(observation, named, settings, tried[-1])

        observation, sources = open_capture(capture, settings, progress=progress, packets=packets)
        if not observation.is_file or not self._only_packets():
            yield self._attached(CaptureFeed(observation, sources, self.partitions), tried)
        if observation.is_file:
            paths = [script.path for script in self._scripts.of(PacketMonitor) if script.path.is_file()]
            own = observe_packets(observation, paths, {})
            sources = [packets(own, capture)]
            yield self._attached(CaptureFeed(own, sources, self.partitions), tried)

    def _only_packets(self) -> bool:
        """True when nothing but packet scripts looks at what is read."""
        rules = any(Path(path).is_file() for path in self._settings.policy)
        return not rules and all(issubclass(script.monitor, PacketMonitor) for script in self._scripts.scripts)

    def _attached(self, feed: CaptureFeed, tried: list[TriedPackets]) -> CaptureFeed:
        for each in tried:
            each.attach(feed)
        return feed

    def _emitted(self, kind: str, record: Record) -> None:
        """Tell of a record of a packet script; the samples of counters are told as what they come to."""
        if kind in _KINDS:
            self._listener.emitted(kind, record)

    def calls(self) -> list[HookCalls]:
        """The hooks called since the start, by script and in the order of their names."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        names = {script.name for script in self._scripts.scripts}
        for (script, hook, what), value in sorted(_measured().items()):
            more = value - self._before.get((script, hook, what), 0.0)
            if more and script in names:
                found.setdefault((script, hook), {})[what] = more
        return [
            HookCalls(
                script=script,
                hook=hook,
                calls=int(values.get("calls", 0)),
                seconds=values.get("seconds", 0.0),
                errors=int(values.get("errors", 0)),
            )
            for (script, hook), values in found.items()
            if hook != "__init__" or values.get("errors")
        ]

    def __enter__(self) -> Self:
        self._before = _measured()
        with ExitStack() as stack:
            stack.enter_context(told_apart())
            self._pipeline.start()
            stack.callback(self._pipeline.stop)
            environment = self._pipeline.environment
            environment.policy = switched_on(environment.policy, self._scripts)
            for changed in environment.policy_changed:
                changed()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _observe(self, topic: Topic, partition: int, envelope: Envelope, records: list[Any]) -> None:
        if self._also is not None:
            self._also(topic, partition, envelope, records)
        if topic.kind not in _KINDS or envelope.is_snapshot:
            return
        for record in records:
            if topic is not COUNTER or made_by_script(record):
                self._listener.emitted(topic.kind, record)


def switched_on(view: PolicyView, scripts: ScriptSet) -> PolicyView:
    """A policy in which checks that are off unless one asks for them are on: one does, by trying them."""
    checks = dict(view.policy.checks)
    for script in scripts.scripts:
        settings = checks.get(script.name, CheckSettings())
        if issubclass(script.monitor, Check) and not script.monitor.default_enabled and settings.enabled is None:
            checks[script.name] = msgspec.structs.replace(settings, enabled=True)
    return PolicyView(msgspec.structs.replace(view.policy, checks=checks), view.version + 1)


def made_by_script(counter: Metric) -> bool:
    """False for what workers count of flows and capture nodes of packets."""
    meters = _BUILT_IN.get(counter.group)
    if meters is None:
        return True
    return counter.source != METRIC.kind and (counter.group in _SAMPLED or not counter.meters.keys() <= meters)


def scripts_of(
    scripts: Sequence[str | Path | type[Script]], params: Mapping[str, Mapping[str, Any]] | None = None
) -> ScriptSet:
    """The scripts of these files, folders and classes, with their parameters by script name.

    :class:`TaplineError` with file and line when one cannot be used.
    """
    classes = [script for script in scripts if isinstance(script, type)]
    paths = [Path(script) for script in scripts if not isinstance(script, type)]
    for path in paths:
        if not path.is_file():
            raise TaplineError(f"{path} is no file: check the path")
    files = load_files(paths, params or {})
    return load_classes(classes, params or {}, files) if classes else files


def with_params(scripts: ScriptSet, values: Mapping[str, Any]) -> ScriptSet:
    """The scripts with these parameters set.

    A name is a parameter's, which sets it in every script that has it, or ``Script.parameter``.
    :class:`TaplineError` when no script has it or the value is none for it.
    """
    changed = list(scripts.scripts)
    for name, value in values.items():
        owner, _, parameter = name.rpartition(".")
        having = [
            number
            for number, script in enumerate(changed)
            if parameter in script.params.__struct_fields__ and owner in ("", script.name)
        ]
        if not having:
            known = sorted(
                {field for script in changed for field in script.params.__struct_fields__ if owner in ("", script.name)}
            )
            raise TaplineError(f"no script has a parameter {name}; there are: {', '.join(known) or 'none'}")
        for number in having:
            changed[number] = _with_param(changed[number], parameter, value)
    return replace(scripts, scripts=tuple(changed))


def _with_param(script: LoadedScript, name: str, value: Any) -> LoadedScript:
    given = msgspec.structs.asdict(script.params) | {name: value}
    try:
        return replace(script, params=msgspec.convert(given, type(script.params)))
    except msgspec.ValidationError as error:
        raise TaplineError(f"parameter {script.name}.{name}: {error}") from error


def capture_settings(settings: CaptureSettings, scripts: ScriptSet, depth: str | None) -> CaptureSettings:
    """The settings with this depth; where none is given with the least that these scripts need.

    :class:`TaplineError` when resources, documents or packets are asked for and tshark is not installed, or does not
    know a display filter.
    """
    check_filters(scripts)
    needy = ResourceMonitor | FullTextMonitor | ResourceCheck
    deep = any(issubclass(script.monitor, needy) for script in scripts.scripts)
    wanted = depth or ("deep" if deep else "light")
    changed = msgspec.convert(msgspec.structs.asdict(settings) | {"depth": wanted}, CaptureSettings)
    if missing_tshark(changed):
        raise TaplineError("resources and documents need tshark: install it (apt install tshark), or use depth light")
    return changed


class MadeRecords:
    """A :class:`~capture.source.Source` of records made by hand, each in the window of its time."""

    name = "made"

    def __init__(self, records: Sequence[Record]) -> None:
        for record in records:
            if type(record) not in _TOPICS:
                kinds = ", ".join(kind.__name__ for kind in _TOPICS)
                raise TaplineError(f"a {type(record).__name__} cannot be fed: there are {kinds}")
        self._records = sorted(records, key=lambda record: window_of(record.time))

    def observation(self) -> Observation:
        """A stream of its own, named after the records."""
        made = digest(*(msgspec.json.encode(record).decode() for record in self._records))
        return observe_file("made", "made", made)

    def run(self, sink: Sink) -> None:
        """Put them, and end each window that has been left."""
        before: int | None = None
        for record in self._records:
            window = window_of(record.time)
            if before is not None and window != before:
                sink.advance(self.name, before)
            before = window
            sink.put(_TOPICS[type(record)], _key(record), record, window)

    def stop(self) -> None:
        """It is over soon enough."""


def _key(record: Record) -> str:
    """What capture nodes and scripts partition such a record by."""
    if isinstance(record, Metric):
        return f"{record.group}\x00{record.key}"
    if isinstance(record, Alert):
        return f"{record.type}\x00{record.entity}"
    return record.community_id if isinstance(record, Endpoints) else ""


class LineWriter(TextIOBase):
    """A text stream that hands on whole lines, and at its closing one that has no end."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__()
        self._take = take
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._take(line)
        return len(text)

    def close(self) -> None:
        if self._begun:
            self._take(self._begun)
            self._begun = ""
        super().close()


def _measured() -> dict[tuple[str, str, str], float]:
    """What this process has measured of its scripts so far, by script, hook and what."""
    return {
        (sample.labels["script"], sample.labels["hook"], _METRICS[sample.name]): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name in _METRICS
    }
