"""From ``docker:`` to an observation and its source."""

from __future__ import annotations

import time

from capture.containers import NAME, SCHEME
from capture.containers.daemon import PROBLEMS, Daemon
from capture.containers.source import ContainerSampler
from capture.settings import CaptureSettings
from capture.source import Observation, Source, observe_live
from topics.errors import TaplineError


def open_docker(source: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    """The daemon of ``capture.docker``; :class:`TaplineError` when something else is named or it does not answer."""
    if source != SCHEME:
        raise TaplineError(f"{source} names something behind docker: - write docker: and set capture.docker.socket")
    address = settings.docker.socket
    try:
        Daemon(address).close()
    except PROBLEMS as error:
        raise TaplineError(
            f"no Docker at {address} ({error}): start it, set capture.docker.socket, or run as one who may ask it"
        ) from error
    observation = observe_live(settings.node_name, NAME, time.time_ns() // 1000)
    return observation, [ContainerSampler(observation, address)]
