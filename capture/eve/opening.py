"""From what a user names to an observation and its source."""

from __future__ import annotations

import stat
import time
from hashlib import file_digest
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from capture.collectors.source import CollectorTopic, Contents
from capture.eve import NAME, SCHEME
from capture.eve.files import EveFile
from capture.eve.following import followed_events
from capture.eve.listening import EveListener
from capture.eve.messages import MADE, MessageLines
from capture.packets.files import STANDARD_INPUT, Progress
from capture.settings import CaptureSettings
from capture.source import Observation, Sink, Source, observe_file, observe_live, observe_stream
from topics.errors import TaplineError
from topics.settings import KafkaSettings

FOLLOW: Final = "follow:"
_SOCKET: Final = "unix://"
_TOPIC: Final = "kafka:"
_HELP: Final = "write eve:FILE, eve:-, eve:follow:FILE, eve:unix://SOCKET or eve:kafka:TOPIC"


def open_eve(
    source: str, settings: CaptureSettings, progress: Progress | None = None, kafka: KafkaSettings | None = None
) -> tuple[Observation, list[Source]]:
    """What ``eve:FILE``, ``eve:-``, ``eve:follow:FILE``, ``eve:unix://SOCKET`` or ``eve:kafka:TOPIC`` stands for.

    The topic is one of ``kafka``. :class:`TaplineError` when it is none of these.
    """
    node, started = settings.node_name, time.time_ns() // 1000
    named = source.removeprefix(SCHEME)
    if named.startswith(_TOPIC):
        return _open_topic(source, node, named.removeprefix(_TOPIC), started, kafka)
    if named.startswith(_SOCKET):
        path = Path(named.removeprefix(_SOCKET)).absolute()
        _check_folder(source, path, named == _SOCKET)
        observation = observe_live(node, str(path), started)
        return observation, [EveListener(observation, path)]
    if named.startswith(FOLLOW):
        path = Path(named.removeprefix(FOLLOW)).absolute()
        _check_folder(source, path, named == FOLLOW)
        # What is told of a flow before and after a restart is of the same one.
        observation = replace(observe_live(node, str(path), started), identity=f"{node}/{path}")
        return observation, [followed_events(observation, path, settings.eve.positions)]
    if not named or "://" in named:
        raise TaplineError(f"{source} names nothing to read: {_HELP}")
    try:
        if named == STANDARD_INPUT or not stat.S_ISREG(Path(named).stat().st_mode):
            if named != STANDARD_INPUT and Path(named).is_dir():
                raise TaplineError(f"{named} is a folder: name a file in it: {_HELP}")
            observation = observe_stream(node, "standard input" if named == STANDARD_INPUT else named, started)
            return observation, [EveFile(observation, named)]
        with Path(named).open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TaplineError(f"cannot read {named}: {error.strerror}: name a file of Suricata's events") from error
    observation = observe_file(node, Path(named).name, sha256)
    return observation, [EveFile(observation, named, progress)]


def _open_topic(
    source: str, node: str, topic: str, started: int, kafka: KafkaSettings | None
) -> tuple[Observation, list[Source]]:
    if not topic:
        raise TaplineError(f"{source} names no topic: write {SCHEME}{_TOPIC}TOPIC")
    if kafka is None:
        raise TaplineError(f"{source} is read while it is written: use `tapline capture {source}`")
    # Whichever node reads a partition, what is told of a flow is of the same one.
    observation = replace(observe_live(node, source, started), identity=source)

    def intake(sink: Sink, now: int) -> MessageLines:
        return MessageLines(observation, sink, topic, now)

    contents = Contents(NAME, "Filebeat or another shipper of eve.json", MADE, intake)
    return observation, [CollectorTopic(observation, topic, contents, kafka)]


def _check_folder(source: str, path: Path, nothing: bool) -> None:  # noqa: FBT001 - what it is is said where it is called
    if nothing:
        raise TaplineError(f"{source} names nothing to read: {_HELP}")
    if not path.parent.is_dir():
        raise TaplineError(f"{path.parent} does not exist: make the folder, or check the path")
    if path.is_dir():
        raise TaplineError(f"{path} is a folder: name a file in it: {_HELP}")
