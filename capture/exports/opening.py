"""From what a user names to an observation and its source."""

from __future__ import annotations

import stat
import time
from hashlib import sha256
from pathlib import Path

from capture.exports.source import ExportFile, ExportListener, Opening
from capture.network.addresses import read_address
from capture.packets.compressed import content_digest
from capture.packets.files import Progress, check_readable
from capture.settings import CaptureSettings
from capture.source import Observation, Source, observe_file, observe_live
from topics.errors import TaplineError


def open_exports(
    source: str, name: str, port: int, settings: CaptureSettings, opening: Opening, progress: Progress | None
) -> tuple[Observation, list[Source]]:
    """What ``NAME:udp://HOST:PORT`` or ``NAME:FILE`` stands for; :class:`TaplineError` when it is neither.

    ``port`` is the one to listen on where the address has none. The file's stream is another one than that of its
    packets.
    """
    rest = source.removeprefix(f"{name}:")
    usage = f"write {name}:udp://HOST:PORT or {name}:FILE, a capture of its datagrams"
    if "://" in rest:
        try:
            address = read_address(rest, {"udp": port})
        except TaplineError as error:
            raise TaplineError(f"{name}:{error}: {usage}") from error
        observation = observe_live(settings.node_name, f"{name}:{address}", time.time_ns() // 1000)
        return observation, [ExportListener(observation, name, address, settings.flow_exports, opening)]
    if not rest:
        raise TaplineError(f"{source} names nothing to read: {usage}")
    check_readable(rest)
    path = Path(rest)
    if not stat.S_ISREG(path.stat().st_mode):
        raise TaplineError(f"{rest} is no file: {usage}")
    content = sha256(f"{name}:{content_digest(path)}".encode()).hexdigest()
    observation = observe_file(settings.node_name, f"{name}:{path.name}", content)
    return observation, [ExportFile(observation, name, rest, opening, progress)]
