"""Running capture nodes and telling what they did."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click
import msgspec
from msgspec import Struct

from capture import metrics
from capture.collectors import SCHEME as COLLECTORS
from capture.containers import NAME as DOCKER
from capture.eve import NAME as EVE
from capture.folder import SCHEME as FOLDER
from capture.host import NAME as HOST
from capture.netflow import NAME as NETFLOW
from capture.node import CaptureNode
from capture.open import ASKED, DATAGRAMS, LINES, RESUMED, TRAPS, WITHOUT_PACKETS, missing_tshark, open_capture
from capture.packet_scripts import NAME as PACKETS
from capture.packets.fanout import Fanout
from capture.publisher import KafkaPublisher, PublishError
from capture.settings import CaptureSettings
from capture.sflow import NAME as SFLOW
from capture.snmp import NAME as SNMP
from capture.snmptrap import NAME as SNMPTRAP
from capture.source import LIVE, Observation, Source
from capture.stored import NAMES as STORED
from capture.stored import SCHEMES as OF_STORED
from capture.syslog.intake import NAME as SYSLOG
from capture.zeek import NAME as ZEEK
from tapline.commands.output import print_json, print_table
from tapline.commands.progress import CaptureProgress
from tapline.commands.running import run_together
from tapline.configuration import Configuration
from tapline.packets import SCRIPTS_STREAM, EnabledPacketScripts
from tapline.process.health import Health
from tapline.process.metrics import MetricsServer
from tapline.process.printable import printable
from topics.errors import TaplineError

NO_FANOUT: Mapping[str, Fanout] = {}

_ENGINES = ("nfstream", "suricata")
"""The engines that count a capture's packets: the first that was run has seen them all, as any other does again."""

_COLLECTED = (50_000, 20, 100)
"""How often the cycle collector looks, see :func:`gc.set_threshold`."""

_OF_LINES = (SYSLOG, ZEEK, EVE)
"""The sources that read lines instead of packets."""

_OF_DATAGRAMS = (NETFLOW, SFLOW)
"""The sources whose packets are what exporters send."""

_ASKED = (SNMP, HOST, DOCKER)
"""The sources whose readings are those of a summary."""

_WITH_BYTES = (*_OF_LINES, *_OF_DATAGRAMS, *STORED, SNMPTRAP)
"""The sources other than engines whose bytes are those of a summary."""

_IGNORING = frozenset({*_ENGINES, ZEEK, *_OF_DATAGRAMS, *STORED})
"""The sources whose ``ignored`` are those of a summary."""

_TOLD = frozenset({"lines", "records", "packets", "bytes", "readings", "traps"})
"""Counters that a summary has members for."""


_Opened = tuple[str, Observation, list[Source]]


class Summary(Struct, frozen=True, kw_only=True):
    """What one capture came to.

    ``records`` are those announced to the workers, by kind; ``lines`` what came of syslog or logs, or the records that
    other collectors have stored, ``rejected`` those that could not be used, by reason; ``readings`` how often something
    was read, ``traps`` what devices sent;
    ``ignored`` the packets that belong to no flow, the lines of other logs, or the records of exporters that are of no
    flow, and ``dropped`` what was lost (packets and datagrams by the kernel, records by a full queue), by reason.
    ``packets`` of an exporter are its datagrams, of packet scripts alone those that they were shown. ``bytes`` are
    those of all packets as on the wire, of lines or of datagrams, ``flow_bytes`` of the packets that belong to a flow.
    ``problem`` says why it ended before its end; what it came to until then was published. ``stream`` is empty for a
    folder: each of its files has one.
    """

    source: str
    stream: str
    node: str
    packets: int
    bytes: int
    lines: int
    flow_bytes: int
    readings: int
    traps: int
    records: dict[str, int]
    rejected: dict[str, int]
    ignored: dict[str, int]
    dropped: dict[str, int]
    events: dict[str, int]
    problem: str = ""


def capture(
    configuration: Configuration,
    captures: Sequence[str],
    arguments: Sequence[str] = (),
    *,
    depth: str | None = None,
    engine: str | None = None,
    flows: str | None = None,
    metrics_port: int = -1,
    fanouts: Mapping[str, Fanout] = NO_FANOUT,
) -> list[Summary]:
    """Publish each capture's records and say what became of each.

    ``fanouts`` are the parts of this process in interfaces that it shares with others.
    ``arguments`` are the options of `tapline`, for the processes of packet scripts.

    :class:`TaplineError`, before anything is published, when one of them is no capture or Kafka is not
    there; one that breaks off later has a ``problem``, and the next one is read.
    """
    # Most of what is made for a record is gone with it: looking for rings in it costs a tenth of the time.
    gc.set_threshold(*_COLLECTED)
    settings = settings_for(configuration, captures, depth=depth, engine=engine, flows=flows)
    scripts = EnabledPacketScripts(configuration.workers, arguments)
    packets = scripts.source if scripts.find() else None
    health = Health()
    with MetricsServer(health, host=configuration.process.metrics_host, port=metrics_port):
        progress = CaptureProgress()
        opened: list[_Opened] = []
        for name in captures:
            fanout = fanouts.get(name)
            # Packet scripts see all packets of an interface: one of those that share it runs them.
            one = fanout is None or fanout.member == 1
            observation, sources = open_capture(
                name,
                settings,
                progress=progress.reader(name),
                kafka=configuration.kafka,
                fanout=fanout,
                packets=packets if one else None,
            )
            opened.append((name, observation, sources))
            if packets is not None and observation.is_file and not name.startswith(WITHOUT_PACKETS):
                opened.append((name, *scripts.of_file(observation, name)))
        live = [observation.stream == LIVE for _, observation, _ in opened]
        if any(live) and not all(live):
            raise TaplineError("files and interfaces cannot be captured together: run one command for each")
        with progress:
            if all(live):
                return _live(configuration, opened, progress, health)
            return _one_by_one(configuration, opened, progress, health)


def settings_for(
    configuration: Configuration, captures: Sequence[str], *, depth: str | None, engine: str | None, flows: str | None
) -> CaptureSettings:
    """The settings of the configuration with what was asked for; says so when tshark is needed and missing."""
    asked = {name: value for name, value in (("depth", depth), ("engine", engine), ("flows", flows)) if value}
    settings = msgspec.convert(msgspec.structs.asdict(configuration.capture) | asked, CaptureSettings)
    if missing_tshark(settings) and not all(name.startswith(WITHOUT_PACKETS) for name in captures):
        click.echo("tapline: tshark is not installed: only flows are captured (apt install tshark)", err=True)
    return settings


def print_summaries(summaries: Sequence[Summary], *, as_json: bool) -> None:
    """Print what the captures came to, and their problems on standard error."""
    for summary in summaries:
        if summary.problem:
            click.echo(f"tapline: {printable(summary.problem)}", err=True)
        if as_json:
            print_json(summary)
            continue
        unit, of_what = _units(summary.source)
        stream = f", stream {summary.stream}" if summary.stream else ""
        click.echo(f"{printable(summary.source)}: {_amount(summary, unit)}{stream}")
        rows = [
            *(("announced", kind, count) for kind, count in sorted(summary.records.items())),
            *((f"rejected {unit}", reason, count) for reason, count in sorted(summary.rejected.items())),
            *((f"ignored {of_what}", reason, count) for reason, count in sorted(summary.ignored.items())),
            *(("dropped", reason, count) for reason, count in sorted(summary.dropped.items())),
        ]
        print_table(("what", "which", "count"), rows)


def _units(source: str) -> tuple[str, str]:
    """What a source reads, and what of it may be ignored."""
    if source.startswith(FOLDER):
        return "files", "files"
    if source.startswith(LINES):
        return "lines", "lines"
    if source.startswith(OF_STORED):
        return "records", "records"
    if source.startswith(COLLECTORS):
        return "messages", "records"
    if source.startswith(TRAPS):
        return "datagrams", "datagrams"
    return ("datagrams", "records") if source.startswith(DATAGRAMS) else ("packets", "packets")


def _amount(summary: Summary, unit: str) -> str:
    if summary.source.startswith(FOLDER):
        return f"{summary.events.get('folder.files', 0):,} files"
    if summary.source.startswith(ASKED):
        return f"{summary.readings:,} readings"
    if SCRIPTS_STREAM in summary.stream:
        return f"{summary.packets:,} packets for scripts"
    if summary.source.startswith(TRAPS):
        return f"{summary.traps:,} traps, {summary.bytes:,} bytes"
    return f"{summary.lines if unit in {'lines', 'records'} else summary.packets:,} {unit}, {summary.bytes:,} bytes"


def _one_by_one(
    configuration: Configuration, opened: Sequence[_Opened], progress: CaptureProgress, health: Health
) -> list[Summary]:
    """Files and streams: the reader waits where Kafka is slow.

    Interrupted, nothing is marked as complete: reading the file again goes on where Kafka has it.
    """
    summaries = []
    with (
        _terminated_is_interrupted(),
        KafkaPublisher(
            configuration.kafka, live=False, queue_megabytes=configuration.capture.queue_megabytes
        ) as publisher,
    ):
        component = health.component("capture", stall_seconds=600)
        component.ready()
        for name, observation, sources in opened:
            node = CaptureNode(observation, sources, publisher)
            progress.begin(name, node)
            dropped = dropped_so_far()
            problem = ""
            try:
                node.run()
            except KeyboardInterrupt:
                node.stop()
                raise
            except PublishError:
                raise
            except TaplineError as error:
                problem = str(error)
            else:
                progress.end(name)
            component.progress()
            summaries.append(summary_of(name, node, dropped, problem))
    return summaries


def _live(
    configuration: Configuration, opened: Sequence[_Opened], progress: CaptureProgress, health: Health
) -> list[Summary]:
    """Interfaces: all at once, until asked to stop; what Kafka cannot take is dropped and counted.

    What goes on where it was can wait: where there is nothing else, nothing is dropped.
    """
    waits = all(name.startswith(RESUMED) for name, _, _ in opened)
    nodes: list[tuple[str, CaptureNode]] = []
    dropped = dropped_so_far()
    with KafkaPublisher(
        configuration.kafka, live=not waits, queue_megabytes=configuration.capture.queue_megabytes
    ) as publisher:
        for name, observation, sources in opened:
            node = CaptureNode(observation, sources, publisher)
            nodes.append((name, node))
            progress.begin(name, node)
        run_together(nodes, health)
    lost = [dropped, *(dropped_so_far() for _ in nodes[1:])]
    return [summary_of(name, node, before) for (name, node), before in zip(nodes, lost, strict=True)]


def summary_of(name: str, node: CaptureNode, dropped_before: dict[str, int], problem: str = "") -> Summary:
    """What one node's run came to; ``dropped_before`` is what the process had lost when it began."""
    counted: dict[str, dict[str, int]] = {"rejected": {}, "ignored": {}, "dropped": {}, "events": {}}
    engine = next((engine for engine in _ENGINES if node.counts[engine, "packets"]), _ENGINES[0])
    for (source, counter), amount in node.counts.items():
        family, _, reason = counter.partition(".")
        if family in {"rejected", "dropped"} or (source in _IGNORING and family == "ignored"):
            counted[family][reason] = counted[family].get(reason, 0) + amount
        elif source != engine and counter not in _TOLD:
            counted["events"][f"{source}.{counter}"] = amount
    for reason, amount in dropped_so_far().items():
        lost = amount - dropped_before.get(reason, 0)
        if lost and reason not in counted["dropped"]:
            counted["dropped"][reason] = lost
    return Summary(
        source=name,
        stream=node.observation.stream,
        node=node.observation.producer,
        packets=sum(node.counts[source, "packets"] for source in (engine, *_OF_DATAGRAMS))
        or node.counts[PACKETS, "shown"],
        bytes=sum(node.counts[source, "bytes"] for source in (engine, *_WITH_BYTES)),
        lines=sum(node.counts[source, "lines"] for source in _OF_LINES)
        + sum(node.counts[source, "records"] for source in STORED),
        readings=sum(node.counts[source, "readings"] for source in _ASKED),
        traps=node.counts[SNMPTRAP, "traps"],
        flow_bytes=node.counts[engine, "bytes"] - node.counts[engine, "ignored_bytes"],
        records=dict(node.announced),
        rejected=counted["rejected"],
        ignored=counted["ignored"],
        dropped=counted["dropped"],
        events=counted["events"],
        problem=problem,
    )


def dropped_so_far() -> dict[str, int]:
    """What this process has lost so far, by reason."""
    return {
        sample.labels["reason"]: round(sample.value)
        for family in metrics.DROPPED.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
