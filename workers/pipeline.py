"""All stages of the workers in one process and in memory: what one publishes the others read, as through Kafka."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from topics.catalog import CATALOG, MESSAGE, Topic
from topics.codec import Envelope, open_message
from workers.environment import Environment, ScriptError
from workers.policy import effective_files, monitors_of
from workers.scripting.messages import MessageBoard
from workers.scripting.scripts import ScriptSet, load_files
from workers.settings import WorkersSettings
from workers.stages import build, topics_of
from workers.windows.outbox import Outgoing
from workers.windows.stage import Stage

Message = tuple[Topic, int, Envelope, bytes]
"""A message on its way: topic, partition, envelope and body; what a stage publishes has this shape."""

Observer = Callable[[Topic, int, Envelope, list[Any]], None]
"""Called with topic, partition, envelope and records of each message that a stage publishes, markers too."""


class Pipeline:
    """One stage for each partition of each topic that workers read.

    Messages are taken in the order in which they were sent, so the same messages always make the same
    calls of scripts in the same order. ``published`` holds the records the stages have published, by
    topic kind, and ``errors`` those of scripts; with an ``observer`` (and ``failed``) they are given to it
    instead and not kept. ``partitions`` is the number every topic has, or each kind of topic's.
    """

    def __init__(
        self,
        scripts: ScriptSet | None = None,
        partitions: int | Mapping[str, int] = 2,
        *,
        settings: WorkersSettings | None = None,
        observer: Observer | None = None,
        failed: Callable[[ScriptError], None] | None = None,
    ) -> None:
        self.partitions = (
            {topic.kind: topic.partitions or partitions for topic in CATALOG}
            if isinstance(partitions, int)
            else dict(partitions)
        )
        self.published: dict[str, list[Any]] = {topic.kind: [] for topic in CATALOG}
        self.errors: list[ScriptError] = []
        self._scripts = scripts
        self._settings = settings or WorkersSettings(scripts=[])
        self._observer = observer or self._keep
        self._failed = failed or self.errors.append
        self.environment: Environment
        self._stages: dict[tuple[str, int], Stage] = {}
        self._offsets: dict[tuple[str, int], int] = {}
        self._waiting: deque[Message] = deque()
        self._board = MessageBoard()

    def start(self) -> None:
        """Make the stages; their scripts load."""
        scripts = self._scripts or load_files([], {})
        environment = self.environment = Environment(self._settings, scripts, self.partitions, failed=self._failed)
        environment.policy = effective_files(self._settings.policy, monitors_of(scripts))
        for topic in topics_of(()):
            for number in range(self.partitions[topic.kind]):
                stage = self._stages[topic.kind, number] = build(topic, number, environment)
                self._offsets[topic.kind, number] = 0
                stage.start("")

    def feed(self, messages: Iterable[Message]) -> None:
        """Take these messages, and after each of them everything that comes of it. Starts when not started."""
        if not self._stages:
            self.start()
        for message in messages:
            self._waiting.append(message)
            while self._waiting:
                self._take(*self._waiting.popleft())

    def stop(self) -> None:
        """Let the scripts unload."""
        for stage in self._stages.values():
            stage.stop()
        self._stages = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _take(self, topic: Topic, partition: int, envelope: Envelope, body: bytes) -> None:
        place = (topic.kind, partition)
        stage = self._stages.get(place)
        if stage is None:
            return
        offset = self._offsets[place]
        self._offsets[place] = offset + 1
        # Nobody else says when it was written: it is as old as its window.
        step = stage.message(offset, envelope.headers(), body, envelope.window * 1_000_000)
        self._publish(step.outgoing)
        while step.waiting is not None:
            step.waiting.wait()
            step = stage.proceed()
            self._publish(step.outgoing)

    def _publish(self, outgoing: Iterable[Outgoing]) -> None:
        for out in outgoing:
            if out.body is None:
                continue
            self._waiting.append((out.topic, out.partition, out.envelope, out.body))
            records = open_message(out.envelope.headers(), out.body, out.topic)[1]
            if out.topic is MESSAGE and not out.envelope.is_snapshot:
                self._tell(records)
            self._observer(out.topic, out.partition, out.envelope, records)

    def _tell(self, messages: list[Any]) -> None:
        """Deliver messages of scripts at once, each once."""
        before = self._board.end
        self._board.add(messages)
        for stage in self._stages.values():
            stage.deliver(self._board.since(before)[0])

    def _keep(self, topic: Topic, _partition: int, envelope: Envelope, records: list[Any]) -> None:
        if not envelope.is_snapshot:
            self.published[topic.kind] += records
