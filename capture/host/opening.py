"""From ``host:`` to an observation and its source."""

from __future__ import annotations

import time

from capture.host import NAME, SCHEME
from capture.host.reading import check_host
from capture.host.source import HostWatcher
from capture.settings import CaptureSettings
from capture.source import Observation, Source, observe_live
from topics.errors import TaplineError


def open_host(source: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    """The machine this runs on; :class:`TaplineError` when another is named, or it cannot be read."""
    if source != SCHEME:
        raise TaplineError(f"{source} names something behind host: - write host: for the machine this runs on")
    check_host()
    observation = observe_live(settings.node_name, NAME, time.time_ns() // 1000)
    return observation, [HostWatcher(observation, settings.host)]
