"""From what a user names to an observation and its source."""

from __future__ import annotations

from typing import Final

from capture.exports.opening import open_exports
from capture.exports.sequences import KeptSequences
from capture.netflow import NAME
from capture.netflow.intake import NetflowIntake
from capture.netflow.store import TemplateStore
from capture.packets.files import Progress
from capture.settings import CaptureSettings
from capture.source import Observation, Sink, Source

_PORT: Final = 2055


def open_netflow(
    source: str, settings: CaptureSettings, progress: Progress | None = None
) -> tuple[Observation, list[Source]]:
    """What ``netflow:udp://HOST:PORT`` or ``netflow:FILE`` stands for; :class:`TaplineError` when it is neither."""
    exports = settings.flow_exports

    def opening(observation: Observation, sink: Sink, now: int) -> NetflowIntake:
        # What a file holds comes to the same wherever it is read, so nothing from before has a part in it.
        folder = "" if observation.is_file else exports.templates_folder
        if not folder:
            return NetflowIntake(observation, exports, sink, now)
        point = observation.observation_point
        reached = KeptSequences(folder, point, sink, exports.exporters)
        return NetflowIntake(observation, exports, sink, now, TemplateStore(folder, point), reached)

    return open_exports(source, NAME, _PORT, settings, opening, progress)
