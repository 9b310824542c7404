"""From what a user names to an observation and its source."""

from __future__ import annotations

import stat
import time
from hashlib import file_digest
from pathlib import Path
from zoneinfo import ZoneInfo

from capture.network.addresses import Address
from capture.packets.files import STANDARD_INPUT, Progress
from capture.settings import CaptureSettings
from capture.source import Observation, Source, observe_file, observe_live, observe_stream
from capture.syslog.addresses import parse_address
from capture.syslog.sockets import tls_context
from capture.syslog.source import SyslogFile, SyslogListener
from topics.errors import TaplineError


def open_syslog(
    source: str, settings: CaptureSettings, progress: Progress | None = None
) -> tuple[Observation, list[Source]]:
    """What ``syslog:ADDRESS``, ``syslog:FILE`` or ``syslog:-`` stands for; :class:`TaplineError` when it is none."""
    node, started, syslog = settings.node_name, time.time_ns() // 1000, settings.syslog
    try:
        zone = ZoneInfo(syslog.timezone)
    except (KeyError, OSError, ValueError) as error:
        raise TaplineError(
            f"capture.syslog.timezone: {syslog.timezone!r} is no time zone: write one as Europe/Berlin"
        ) from error
    named = parse_address(source)
    if isinstance(named, Address):
        if named.transport == "tls":
            tls_context(syslog)
        observation = observe_live(node, str(named), started)
        return observation, [SyslogListener(observation, named, syslog, zone)]
    try:
        if named == STANDARD_INPUT or not stat.S_ISREG(Path(named).stat().st_mode):
            observation = observe_stream(node, "standard input" if named == STANDARD_INPUT else named, started)
            return observation, [SyslogFile(observation, named, syslog, zone)]
        with Path(named).open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TaplineError(f"cannot read {named}: {error.strerror}: name a file of lines") from error
    observation = observe_file(node, Path(named).name, sha256)
    return observation, [SyslogFile(observation, named, syslog, zone, progress)]
