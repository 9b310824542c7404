"""From what a user names to an observation and the engines that make it."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from capture.collectors import SCHEME as COLLECTORS
from capture.containers import SCHEME as DOCKER
from capture.enrichment.source import enriched
from capture.eve import SCHEME as EVE
from capture.folder import SCHEME as FOLDER
from capture.host import SCHEME as HOST
from capture.netflow import SCHEME as NETFLOW
from capture.nfstream_engine.source import NfstreamSource
from capture.packets.compressed import content_digest
from capture.packets.fanout import Fanout
from capture.packets.files import STANDARD_INPUT, Progress, check_readable
from capture.packets.interfaces import check_interface, is_interface
from capture.settings import CaptureSettings
from capture.sflow import SCHEME as SFLOW
from capture.snmp import SCHEME as SNMP
from capture.snmptrap import SCHEME as SNMPTRAP
from capture.source import Observation, Source, observe_file, observe_live, observe_stream
from capture.standard_input import Spread
from capture.stored import SCHEMES as STORED
from capture.suricata.program import OLDEST, check_suricata, find_suricata
from capture.syslog.addresses import SCHEME as SYSLOG
from capture.zeek import SCHEME as ZEEK
from topics.errors import TaplineError
from topics.settings import KafkaSettings

LINES: Final = (SYSLOG, ZEEK, EVE)
"""What the names of sources begin with that read lines instead of packets."""

DATAGRAMS: Final = (NETFLOW, SFLOW)
"""What the names of sources begin with that read what exporters tell of flows."""

RESUMED: Final = (f"{EVE}follow:", f"{EVE}kafka:", f"{ZEEK}follow:", COLLECTORS)
"""What the names of sources begin with that go on where they were, so that they can wait for Kafka."""

ASKED: Final = (SNMP, HOST, DOCKER)
"""What the names of sources begin with that are asked for readings."""

TRAPS: Final = (SNMPTRAP,)
"""What the names of sources begin with that take what devices say of themselves."""

WITHOUT_PACKETS: Final = (*LINES, *DATAGRAMS, *STORED, *ASKED, *TRAPS)
"""What the names of sources begin with that read no packets."""


PacketSources = Callable[[Observation, str], Source]
"""Makes the source that shows what is observed, at this path or interface, to packet scripts."""


def open_capture(
    path_or_interface: str,
    settings: CaptureSettings,
    *,
    progress: Progress | None = None,
    kafka: KafkaSettings | None = None,
    packets: PacketSources | None = None,
    fanout: Fanout | None = None,
) -> tuple[Observation, list[Source]]:
    """What to observe, and the sources to run for it: flows, and deep also resources and documents.

    A capture file, ``-`` for standard input, a FIFO, the name of an interface, lines of syslog:
    ``syslog:udp://HOST:PORT`` (also ``tcp``, ``tls``), ``syslog:FILE``, ``syslog:-``, logs of Zeek: ``zeek:FILE``,
    ``zeek:FOLDER``, ``zeek:follow:…``, Suricata's events: ``eve:FILE``, ``eve:-``, ``eve:follow:FILE``,
    ``eve:unix://SOCKET``, what exporters send: ``netflow:udp://HOST:PORT``, ``netflow:FILE``, ``sflow:…``, or other
    programs put into a topic of ``kafka``: ``netflow:kafka:TOPIC``, ``eve:kafka:TOPIC``, or into files:
    ``nfdump:FILE``, ``argus:FILE`` or a folder of them, what is asked: ``host:`` for this machine, ``docker:`` for
    its containers, ``snmp:`` for the devices of the configuration, or ``snmptrap:udp://HOST:PORT`` for what they
    send. ``progress`` is called with the bytes read of a file. With a ``fanout`` an interface is shared with other
    processes. ``packets`` makes a further source of an interface or a stream, for scripts that see packets; a file
    can be read once more for those. Where tshark is to be used and missing, ``deep`` is ``light``:
    :func:`missing_tshark` tells. :class:`TaplineError` when it can be none of these.
    """
    observation, sources = _open(path_or_interface, settings, progress, kafka, packets, fanout)
    return observation, enriched(sources, settings.enrichment, settings.docker.socket)


def _open(
    path_or_interface: str,
    settings: CaptureSettings,
    progress: Progress | None,
    kafka: KafkaSettings | None,
    packets: PacketSources | None,
    fanout: Fanout | None,
) -> tuple[Observation, list[Source]]:
    if path_or_interface.startswith(FOLDER):
        raise TaplineError(f"{path_or_interface} is watched, alone or with other folders: use `tapline capture` for it")
    if path_or_interface.startswith(SYSLOG):
        return _open_syslog(path_or_interface, settings, progress)
    if path_or_interface.startswith(ZEEK):
        return _open_zeek(path_or_interface, settings, progress)
    if path_or_interface.startswith(COLLECTORS):
        return _open_collector(path_or_interface, settings, kafka)
    if path_or_interface.startswith(NETFLOW):
        return _open_netflow(path_or_interface, settings, progress)
    if path_or_interface.startswith(STORED):
        return _open_stored(path_or_interface, settings, progress)
    if path_or_interface.startswith(SFLOW):
        return _open_sflow(path_or_interface, settings, progress)
    if path_or_interface.startswith(SNMP):
        return _open_snmp(path_or_interface, settings)
    if path_or_interface.startswith(DOCKER):
        return _open_docker(path_or_interface, settings)
    if path_or_interface.startswith(HOST):
        return _open_host(path_or_interface, settings)
    if path_or_interface.startswith(SNMPTRAP):
        return _open_snmptrap(path_or_interface, settings)
    if path_or_interface.startswith(EVE):
        return _open_eve(path_or_interface, settings, progress, kafka)
    deep = settings.depth == "deep" and not missing_tshark(settings)
    if "suricata" in {settings.flows, deep_engine(settings)}:
        check_suricata()
    node, started = settings.node_name, time.time_ns() // 1000
    if path_or_interface != STANDARD_INPUT and not os.path.lexists(path_or_interface):
        if not is_interface(path_or_interface):
            if os.sep in path_or_interface or Path(path_or_interface).suffix:
                raise TaplineError(f"{path_or_interface} does not exist: check the path")
            check_interface(path_or_interface)
        observation = observe_live(node, path_or_interface, started, fanout.member if fanout else 0)
        engines = _engines(observation, [path_or_interface] * 2, settings, progress, fanout, deep=deep)
        return observation, [*engines, packets(observation, path_or_interface)] if packets else engines
    check_readable(path_or_interface)
    if path_or_interface == STANDARD_INPUT or not stat.S_ISREG(Path(path_or_interface).stat().st_mode):
        name = "standard input" if path_or_interface == STANDARD_INPUT else path_or_interface
        observation = observe_stream(node, name, started)
        readers = 1 if not deep or settings.flows == "suricata" else 2
        if readers == 1 and packets is None:
            return observation, _engines(observation, [path_or_interface], settings, progress, deep=deep)
        spread = Spread(path_or_interface, readers + (packets is not None))
        spread.open()
        engines = _engines(observation, spread.paths, settings, progress, deep=deep)
        further = [packets(observation, spread.paths[-1])] if packets else []
        return observation, [spread, *engines, *further]
    path = Path(path_or_interface)
    observation = observe_file(node, path.name, content_digest(path))
    return observation, _engines(observation, [path_or_interface] * 2, settings, progress, deep=deep)


def deep_engine(settings: CaptureSettings) -> str:
    """The engine that makes resources and documents: the one that was asked for, else Suricata where 7 is installed."""
    if settings.depth != "deep":
        return ""
    if settings.flows == "suricata":
        return "suricata"
    if settings.engine != "auto":
        return settings.engine
    program = find_suricata()
    return "suricata" if program is not None and program.major >= OLDEST else "tshark"


def missing_tshark(settings: CaptureSettings) -> bool:
    """True when ``deep`` is to be made by tshark and that is not installed."""
    return deep_engine(settings) == "tshark" and shutil.which("tshark") is None


def _open_syslog(source: str, settings: CaptureSettings, progress: Progress | None) -> tuple[Observation, list[Source]]:
    from capture.syslog.opening import open_syslog  # noqa: PLC0415 - only where it is used

    return open_syslog(source, settings, progress)


def _open_zeek(source: str, settings: CaptureSettings, progress: Progress | None) -> tuple[Observation, list[Source]]:
    from capture.zeek.opening import open_zeek  # noqa: PLC0415 - only where it is used

    return open_zeek(source, settings, progress)


def _open_netflow(
    source: str, settings: CaptureSettings, progress: Progress | None
) -> tuple[Observation, list[Source]]:
    from capture.netflow.opening import open_netflow  # noqa: PLC0415 - only where it is used

    return open_netflow(source, settings, progress)


def _open_collector(
    source: str, settings: CaptureSettings, kafka: KafkaSettings | None
) -> tuple[Observation, list[Source]]:
    from capture.collectors.opening import open_collector  # noqa: PLC0415 - only where it is used

    return open_collector(source, settings, kafka)


def _open_sflow(source: str, settings: CaptureSettings, progress: Progress | None) -> tuple[Observation, list[Source]]:
    from capture.sflow.opening import open_sflow  # noqa: PLC0415 - only where it is used

    return open_sflow(source, settings, progress)


def _open_stored(source: str, settings: CaptureSettings, progress: Progress | None) -> tuple[Observation, list[Source]]:
    from capture.stored.opening import open_stored  # noqa: PLC0415 - only where it is used

    return open_stored(source, settings, progress)


def _open_snmp(source: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    from capture.snmp.opening import open_snmp  # noqa: PLC0415 - only where it is used

    return open_snmp(source, settings)


def _open_snmptrap(source: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    from capture.snmptrap.opening import open_snmptrap  # noqa: PLC0415 - only where it is used

    return open_snmptrap(source, settings)


def _open_host(source: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    from capture.host.opening import open_host  # noqa: PLC0415 - only where it is used

    return open_host(source, settings)


def _open_docker(source: str, settings: CaptureSettings) -> tuple[Observation, list[Source]]:
    from capture.containers.opening import open_docker  # noqa: PLC0415 - only where it is used

    return open_docker(source, settings)


def _open_eve(
    source: str, settings: CaptureSettings, progress: Progress | None, kafka: KafkaSettings | None
) -> tuple[Observation, list[Source]]:
    from capture.eve.opening import open_eve  # noqa: PLC0415 - only where it is used

    return open_eve(source, settings, progress, kafka)


def _engines(
    observation: Observation,
    inputs: list[str],
    settings: CaptureSettings,
    progress: Progress | None,
    fanout: Fanout | None = None,
    *,
    deep: bool,
) -> list[Source]:
    if settings.flows == "suricata":
        return [_suricata(observation, inputs[0], settings, flows=True, deep=deep)]
    sources: list[Source] = [NfstreamSource(observation, inputs[0], settings, progress, fanout)]
    if deep and deep_engine(settings) == "suricata":
        sources.append(_suricata(observation, inputs[1], settings, flows=False, deep=True))
    elif deep:
        from capture.tshark import TsharkSource  # noqa: PLC0415 - only where it is used

        sources.append(TsharkSource(observation, inputs[1], settings))
    return sources


def _suricata(observation: Observation, named: str, settings: CaptureSettings, *, flows: bool, deep: bool) -> Source:
    from capture.suricata.source import SuricataSource  # noqa: PLC0415 - only where it is used

    return SuricataSource(observation, named, settings, flows=flows, deep=deep)
