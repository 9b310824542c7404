"""Running the whole way with the demo capture, and telling what came of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec
import psutil
from msgspec import Struct

from capture.open import missing_tshark
from capture.settings import CaptureSettings
from exporters.elasticsearch.documents import EXPORTED, data_stream, index_name
from exporters.elasticsearch.exporter import GROUP
from exporters.elasticsearch.settings import ElasticsearchSettings
from tapline.commands.backlog import backlog
from tapline.commands.capturing import Summary, capture
from tapline.commands.holdings import Holdings, Raised, Ranked
from tapline.commands.output import Progress, megabytes, print_table
from tapline.commands.script_files import SHIPPED, enable
from tapline.configuration import PREFIX, Configuration
from tapline.demo import DEMO_CAPTURE
from tapline.process.supervisor import ourselves
from tapline.services import local
from topics.admin import create, verify
from topics.catalog import ALERT, CAPTURED, DEAD, NOTIFICATION
from topics.errors import TaplineError
from topics.settings import KafkaSettings
from workers.alerts.outcomes import MADE, RECEIVED, TOLD
from workers.counting.groups import AGGREGATES, APPS, HOSTS
from workers.stages import topics_of

PROCESSES: Final = 2
DEADLINE: Final = 180.0
"""Seconds in which everything captured has to arrive."""

SAMPLES: Final = ("dyndns_alert", "print_alerts", "sg3", "ssh_alerts")
"""The samples that run: they ask nobody anything and add nothing but alerts to what is counted."""

_DEPTH_FILE: Final = "depth"
_ENGINE: Final = "tshark"
"""What reads the demo capture deeply, whatever else is installed: it comes to the same counts everywhere."""

_POLL_SECONDS: Final = 0.5
_QUIET_SECONDS: Final = 10.0
"""How long nothing may be waiting before counts that differ are taken for final."""

_STOP_SECONDS: Final = 20.0


class Row(Struct, frozen=True):
    """One kind of record along the way; ``None`` where it does not go."""

    kind: str
    announced: int | None
    received: int
    held: int | None

    @property
    def equal(self) -> bool:
        """True when nothing was lost and nothing doubled."""
        return self.announced in (None, self.received) and self.held in (None, self.received)


class Result(Struct, frozen=True, kw_only=True):
    """What the demonstration came to; ``resident_bytes`` is the most that all processes held at once.

    ``usual`` says that other commands find the engines without being told where they are.
    """

    complete: bool
    stream: str
    rows: list[Row]
    dead_letters: int
    hosts: list[Ranked]
    applications: list[Ranked]
    alerts: list[Raised]
    outcomes: dict[str, int]
    seconds: float
    resident_bytes: int
    elasticsearch: str
    capture: str
    folder: str
    usual: bool


class Demonstration:
    """Engines, topics, workers, exporter and a capture, in this order; then it waits and counts.

    Everything but the engines is stopped at the end, also when something fails.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._given = configuration
        self._folder = Path(configuration.services.folder).absolute() / "demo"
        self._progress = Progress()
        self._children: list[tuple[str, subprocess.Popen[bytes], Path]] = []
        self._most_resident = 0

    def run(self) -> Result:
        """Do it; :class:`TaplineError` when a part cannot be started or leaves."""
        began = time.monotonic()
        depth = self._depth()
        kafka, elasticsearch = local.up(self._given.services, self._progress)
        configuration = self._local(kafka.address, elasticsearch.address)
        created = create(configuration.kafka)
        verify(configuration.kafka)
        self._progress(f"created {len(created)} topics" if created else "the topics are there already")
        dead = _dead(configuration)
        with ExitStack() as stack:
            file = self._write(configuration)
            for name, arguments in (
                ("workers", ("worker", "--processes", str(PROCESSES))),
                ("exporter", ("export", "elasticsearch")),
            ):
                stack.enter_context(self._child(name, file, arguments))
            self._progress(f"started {PROCESSES} workers and the exporter, their logs are in {self._folder}")
            self._progress.close()
            (self._folder / _DEPTH_FILE).write_text(depth, encoding="ascii")
            (summary,) = capture(configuration, [str(DEMO_CAPTURE)], depth="deep", engine=_ENGINE, flows="nfstream")
            if summary.problem:
                raise TaplineError(summary.problem)
            self._progress(f"captured {summary.packets:,} packets: {sum(summary.records.values()):,} records sent")
            with Holdings(configuration.elasticsearch) as holdings:
                rows = self._wait(configuration, holdings, summary)
                self._progress.close()
                stream = summary.stream
                dead = _dead(configuration) - dead
                return Result(
                    complete=all(row.equal for row in rows) and not dead,
                    stream=stream,
                    rows=rows,
                    dead_letters=dead,
                    hosts=holdings.top(stream, HOSTS.name),
                    applications=holdings.top(stream, APPS.name),
                    alerts=holdings.alerts(stream),
                    outcomes=holdings.outcomes(stream),
                    seconds=round(time.monotonic() - began, 1),
                    resident_bytes=self._most_resident,
                    elasticsearch=elasticsearch.address,
                    capture=os.path.relpath(DEMO_CAPTURE),
                    folder=os.path.relpath(self._folder),
                    usual=kafka.address == self._given.kafka.bootstrap
                    and elasticsearch.address in self._given.elasticsearch.hosts,
                )

    def _depth(self) -> str:
        """How deep the capture will be read; :class:`TaplineError` where it was read otherwise before.

        The windows of a stream close once, with what was announced then.
        """
        depth = "light" if missing_tshark(CaptureSettings(depth="deep", engine=_ENGINE)) else "deep"
        told = self._folder / _DEPTH_FILE
        before = told.read_text(encoding="ascii") if told.is_file() else depth
        if before != depth:
            raise TaplineError(
                f"the demo ran here {'without' if before == 'light' else 'with'} tshark before, and a capture's windows"
                f" close once: run `{_program()} down --forget`, and try again"
            )
        return depth

    def _local(self, kafka: str, elasticsearch: str) -> Configuration:
        """The configuration given, but for the engines of this machine, the samples, and without metrics ports."""
        given = self._given
        return msgspec.structs.replace(
            given,
            kafka=KafkaSettings(bootstrap=kafka, prefix=given.kafka.prefix, partitions=given.kafka.partitions),
            elasticsearch=ElasticsearchSettings(
                hosts=[elasticsearch], namespace=given.elasticsearch.namespace, metrics_port=-1
            ),
            workers=msgspec.structs.replace(
                given.workers,
                metrics_port=-1,
                scripts=[str(self._folder / "scripts")],
                params={"sg3": {"folder": str(self._folder)}},
            ),
        )

    def _write(self, configuration: Configuration) -> Path:
        """A file from which the children have the configuration (JSON is YAML), and the samples they run."""
        folder = self._folder / "scripts"
        folder.mkdir(parents=True, exist_ok=True)
        for name in SAMPLES:
            (folder / f"{name}.py").unlink(missing_ok=True)
            enable(SHIPPED / "samples" / f"{name}.py", folder)
        path = self._folder / "tapline.yaml"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(configuration), indent=2))
        return path

    @contextmanager
    def _child(self, name: str, file: Path, arguments: Sequence[str]) -> Iterator[None]:
        log = self._folder / f"{name}.log"
        environment = {key: value for key, value in os.environ.items() if not (key.startswith(PREFIX) and "__" in key)}
        with log.open("wb") as output:
            # A group of its own: an interrupt from the terminal reaches us alone, and we stop it in order.
            process = subprocess.Popen(
                [*ourselves("--config", str(file)), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )
        self._children.append((name, process, log))
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait(self, configuration: Configuration, holdings: Holdings, summary: Summary) -> list[Row]:
        """Wait until nothing waits and all counts agree, or the time is over."""
        deadline = time.monotonic() + DEADLINE
        busy = time.monotonic()
        while True:
            self._check_children()
            self._measure()
            try:
                waiting, rows = self._look(configuration, holdings, summary)
            except TaplineError:
                # Data streams that are just being made do not answer at once.
                if time.monotonic() > deadline:
                    raise
            else:
                self._progress(f"waiting: {waiting[0]:,} messages for the workers, {waiting[1]:,} for Elasticsearch")
                now = time.monotonic()
                busy = now if any(waiting) else busy
                arrived = not any(waiting) and all(row.equal for row in rows)
                if arrived or now - busy > _QUIET_SECONDS or now > deadline:
                    return rows
            time.sleep(_POLL_SECONDS)

    @staticmethod
    def _look(configuration: Configuration, holdings: Holdings, summary: Summary) -> tuple[tuple[int, int], list[Row]]:
        """What waits for the workers and the exporter, and what has arrived."""
        kafka = configuration.kafka
        workers = backlog(kafka, configuration.workers.group, topics_of(()))
        exporter = backlog(kafka, f"{kafka.prefix}-{GROUP}", EXPORTED)
        holdings.refresh()
        rows = conservation(configuration, holdings, summary)
        return (sum(one.waiting for one in workers), sum(one.waiting for one in exporter)), rows

    def _check_children(self) -> None:
        for name, process, log in self._children:
            if process.poll() is not None:
                lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                reason = lines[-1].removeprefix("tapline: ") if lines else "it wrote nothing"
                raise TaplineError(f"the {name} left ({reason[:300]}): see {log}")

    def _measure(self) -> None:
        """Note how much memory all processes of ours hold now."""
        engines = sum(engine.resident_bytes for engine in local.status(self._given.services))
        us = psutil.Process()
        ours = 0
        for process in [us, *us.children(recursive=True)]:
            try:
                ours += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        self._most_resident = max(self._most_resident, engines + ours)


def print_result(result: Result) -> None:
    """Print the tables and where to go on."""
    click.echo()
    print_table(
        ("records", "announced by capture", "received by workers", "held by Elasticsearch", ""),
        [(row.kind, row.announced, row.received, row.held, "" if row.equal else "DIFFERS") for row in result.rows],
    )
    click.echo()
    if result.complete:
        click.echo("What went in came out: all counts are equal.")
    else:
        click.echo("NOT EVERYTHING ARRIVED AS IT WAS SENT: see the rows marked DIFFERS.")
        click.echo("If another version of Tapline published this capture here before, start afresh:")
        click.echo(f"`{_program()} down --forget`, then run the demo again.")
    if result.dead_letters:
        click.echo(f"{result.dead_letters} MESSAGES COULD NOT BE USED: `tapline dlq list` shows them.")
    for title, ranked in (("top hosts", result.hosts), ("top applications", result.applications)):
        click.echo()
        print_table((title, "bytes"), [(one.key, one.total) for one in ranked])
    click.echo()
    print_table(("alerts", "told", "for example"), [(one.type, one.count, one.message) for one in result.alerts])
    if not result.alerts:
        click.echo("none")
    received = result.outcomes.get(RECEIVED, 0)
    beside = {name: count for name, count in result.outcomes.items() if name != RECEIVED}
    of_them = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in beside.items())
    click.echo(f"Of {received:,} alerts received: {of_them or 'nothing'}.")
    click.echo(f"\n{result.seconds:.0f} s, {megabytes(result.resident_bytes)} of memory at most. To look further:\n")
    ours = " ".join([_program(), *([] if result.usual else ["--config", f"{result.folder}/tapline.yaml"])])
    alerts = f"{result.elasticsearch}/logs-tapline.alert-default/_search?filter_path=hits.hits._source.message"
    for what, command in (
        ("how everything is", f"{ours} status"),
        ("the records as lines", f"{_program()} read {result.capture}"),
        ("the alerts", f"curl -s '{alerts}'"),
        ("what the script sg3 wrote", f"head {result.folder}/fdetails.flow-0"),
        ("stop the engines", f"{_program()} down"),
    ):
        click.echo(f"  {what + ':':27} {command}")


def _dead(configuration: Configuration) -> int:
    """How many dead letters Elasticsearch holds."""
    with Holdings(configuration.elasticsearch) as holdings:
        return holdings.documents().get(data_stream(DEAD.kind, configuration.elasticsearch.namespace).name, 0)


def _program() -> str:
    """How this program is called here."""
    return "tapline" if shutil.which("tapline") else os.path.relpath(Path(sys.executable).with_name("tapline"))


def conservation(configuration: Configuration, holdings: Holdings, summary: Summary) -> list[Row]:
    """What became of a capture's records, by kind, and of its flows' bytes."""
    namespace = configuration.elasticsearch.namespace
    stream = summary.stream
    conserved = holdings.conservation(stream)
    documents = holdings.documents(stream)
    exported = {topic.kind for topic in EXPORTED}
    rows = []
    for topic in CAPTURED:
        kind = topic.kind
        counted = {key: meters for key, meters in conserved.items() if key.partition("/")[0] == kind}
        by_capture = counted.get(f"{kind}/{summary.node}", {})
        announced, received = summary.records.get(kind, 0), by_capture.get("received", 0)
        if topic is ALERT:
            # Scripts raise alerts too; the workers announce those as a capture node announces its own.
            announced += sum(meters["announced"] for meters in counted.values()) - by_capture.get("announced", 0)
            received = sum(meters["received"] for meters in counted.values())
        held = documents.get(data_stream(kind, namespace).name, 0) if kind in exported else None
        rows.append(Row(kind, announced, received, held))
        if topic is ALERT:
            # What is told of alerts is less, and counted by the engine as it comes from there.
            outcomes = holdings.outcomes(stream)
            held = documents.get(index_name(NOTIFICATION.kind, namespace), 0)
            rows.append(Row("alerts told", None, sum(outcomes.get(name, 0) for name in TOLD), held))
            one_each = sum(count for name, count in outcomes.items() if name not in (RECEIVED, *MADE))
            rows.append(Row("alerts judged", received, one_each, None))
    total = next((one.total for one in holdings.top(stream, AGGREGATES.name)), 0)
    rows.append(Row("bytes", summary.flow_bytes, total, holdings.total(stream, "network.bytes")))
    return rows
