"""From what a user names to an observation and its source."""

from __future__ import annotations

from typing import Final

from capture.exports.opening import open_exports
from capture.exports.sequences import KeptSequences
from capture.packets.files import Progress
from capture.settings import CaptureSettings
from capture.sflow import NAME
from capture.sflow.intake import SflowIntake
from capture.source import Observation, Sink, Source

_PORT: Final = 6343


def open_sflow(
    source: str, settings: CaptureSettings, progress: Progress | None = None
) -> tuple[Observation, list[Source]]:
    """What ``sflow:udp://HOST:PORT`` or ``sflow:FILE`` stands for; :class:`TaplineError` when it is neither."""

    def opening(observation: Observation, sink: Sink, now: int) -> SflowIntake:
        exports = settings.flow_exports
        folder = "" if observation.is_file else exports.templates_folder
        reached = KeptSequences(folder, observation.observation_point, sink, exports.exporters) if folder else None
        return SflowIntake(observation, exports, sink, now, reached)

    return open_exports(source, NAME, _PORT, settings, opening, progress)
