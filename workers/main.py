"""One worker process."""

from __future__ import annotations

import ctypes
import gc
import logging
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import faust
from faust.types import TP

from tapline.process.health import Health
from topics.admin import partition_counts, verify
from topics.catalog import FLOW, MESSAGE, POLICY, STORE, Topic
from topics.policy_log import read_entries
from topics.records import Message
from topics.rights import of_worker, require
from topics.settings import KafkaSettings
from topics.worker_reports import SUBJECT
from workers.engine_monitor import ENGINE_PARTITION
from workers.environment import Environment
from workers.kafka.agents import PartitionAgents
from workers.kafka.app import build_app, run_app
from workers.kafka.producer import StageProducer
from workers.kafka.silence import SilenceWatch, closing_markers, silence_alert
from workers.kafka.store_reader import read_states, read_stores
from workers.kafka.topic_reader import TopicReader
from workers.kafka.watchdog import LoopWatchdog, OffsetWatchdog, leave
from workers.policy import PolicyKeeper
from workers.reporting import Reporter
from workers.scripting.budget import Budget
from workers.scripting.messages import listens
from workers.scripting.reload import ScriptFolders, ScriptReloader
from workers.scripting.scripts import ScriptSet
from workers.settings import WorkersSettings
from workers.stages import build, topics_of
from workers.windows.stage import Stage

POLICY_SECONDS: Final = 1.0
"""How often a changed policy is put in force."""

_MEGABYTE: Final = 1 << 20
_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of mallopt(3), from malloc.h."""

_log = logging.getLogger(__name__)


def run(
    kafka: KafkaSettings, settings: WorkersSettings, monitors: tuple[str, ...] = (), health: Health | None = None
) -> None:
    """Run these monitors (all when none is named) until SIGTERM or SIGINT.

    ``health`` shows whether the process makes progress and has its partitions.
    :class:`~topics.errors.TaplineError` when Kafka, its topics or a script cannot be used.
    """
    topics = topics_of(monitors)
    require(kafka, "worker", of_worker(kafka, settings.group))
    verify(kafka)
    folders = ScriptFolders(settings, Budget(settings))
    scripts = folders.load()
    partitions = partition_counts(kafka)
    _log.info("scripts: %s", ", ".join(script.name for script in scripts.scripts) or "none")
    settle_collector()
    settle_memory()
    app = build_app(kafka, settings, monitors)
    _Process(app, kafka, settings, topics, scripts, folders, partitions, health or Health()).attach()
    run_app(app)


def settle_collector() -> None:
    """Have the cycle collector look less often: a window's counters are many small lists that form no cycles.

    Looking through them again and again was a fifth of the CPU time (bench/workers.py).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def settle_memory() -> None:
    """Have the C library keep the memory of messages that have been read for those that come.

    It would give each large one back to the operating system, which then hands it out again page by page.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 32 * _MEGABYTE)
        libc.mallopt(_M_TRIM_THRESHOLD, 256 * _MEGABYTE)
        libc.mallopt(_M_TOP_PAD, 4 * _MEGABYTE)


class _Process:
    """Everything that runs beside the agents."""

    def __init__(
        self,
        app: faust.App,
        kafka: KafkaSettings,
        settings: WorkersSettings,
        topics: list[Topic],
        scripts: ScriptSet,
        folders: ScriptFolders,
        partitions: dict[str, int],
        health: Health,
    ) -> None:
        self._app = app
        self._health = health.component("worker", stall_seconds=settings.stall_timeout)
        self._settings = settings
        self._kafka = kafka
        self._messages: TopicReader | None = None
        self._partitions = partitions
        self._environment = Environment(settings, scripts, partitions, prefix=kafka.prefix)
        self._reloader = ScriptReloader(self._environment, folders)
        self._policy = PolicyKeeper(self._environment)
        self._policy.load()
        self._policy.add(read_entries(kafka).values())
        self._policy.check()
        self._entries = TopicReader(kafka, POLICY, partitions[POLICY.kind], self._policy.add)
        self._producer = StageProducer(kafka)
        self._reporter = Reporter(self._policy)
        self._agents = PartitionAgents(
            app,
            {topic.name(kafka.prefix): topic for topic in topics},
            self._build,
            leave,
            partial(read_stores, kafka, partitions[STORE.kind]),
            self._producer.send,
            partial(read_states, kafka),
        )
        self._engine = TP(FLOW.name(kafka.prefix), ENGINE_PARTITION)
        self._silence = SilenceWatch(settings.node_timeout)
        self._loop = LoopWatchdog(settings.stall_timeout)
        self._offsets = OffsetWatchdog(app, self._agents, settings.stall_timeout)

    def attach(self) -> None:
        """Register agents, timers and the end with the app."""
        self._agents.attach(self._settings.commit_interval)
        self._agents.on_message.append(self._heard)
        self._app.timer(1.0, name="loop-beat")(self._beat)
        self._app.timer(1.0, name="listen")(self._listen)
        self._app.timer(max(1.0, self._settings.stall_timeout / 6), name="offset-watchdog")(self._offsets.check)
        self._app.timer(max(0.5, self._settings.node_timeout / 10), name="silence")(self._close_for_silent)
        if self._settings.reload_seconds:
            self._app.timer(self._settings.reload_seconds, name="script-reload")(self._reload)
        self._app.timer(POLICY_SECONDS, name="policy")(self._follow_policy)
        self._app.task(self._started)
        self._app.on_before_shutdown.connect(self._stopping, weak=False)

    def _build(self, topic: Topic, partition: int) -> Stage:
        return build(topic, partition, self._environment)

    async def _started(self) -> None:
        self._loop.start()
        self._entries.start()

    async def _reload(self) -> None:
        self._reloader.check()

    async def _follow_policy(self) -> None:
        self._policy.check()
        report = self._reporter.due()
        if report is not None:
            (await self._producer.send([report])).add_done_callback(self._reporter.sent)

    async def _listen(self) -> None:
        """Read messages of scripts from when some script wants them."""
        if self._messages is None and any(listens(each.monitor) for each in self._environment.scripts.scripts):
            self._messages = TopicReader(self._kafka, MESSAGE, self._partitions[MESSAGE.kind], self._told)
            self._messages.start()

    def _told(self, messages: Iterable[Message], _offset: int) -> None:
        self._agents.board.add(message for message in messages if message.subject != SUBJECT)

    async def _beat(self) -> None:
        self._loop.beat()
        self._health.ready(is_ready=bool(self._agents.running))

    async def _stopping(self, *_: Any, **__: Any) -> None:
        self._loop.stop()
        self._entries.stop()
        if self._messages is not None:
            self._messages.stop()
        self._agents.stop()
        self._producer.stop()

    def _heard(self, tp: TP, headers: Any) -> None:
        if tp != self._engine:
            return
        found = dict(headers or ())
        node, stream = found.get("node"), found.get("stream")
        if node and stream and not node.startswith(b"~"):
            self._silence.heard(stream.decode(), node.decode())

    async def _close_for_silent(self) -> None:
        engine = self._agents.running.get(self._engine)
        if engine is None:
            return
        for silent in self._silence.silent(engine.stage.ledger):
            _log.warning("node %s said nothing for %.0f s: closing its windows", silent.node, silent.seconds)
            messages = [
                *closing_markers(silent, self._app.conf.id, self._partitions),
                *silence_alert(silent, time.time_ns() // 1000, self._partitions),
            ]
            await (await self._agents.publish(messages))
