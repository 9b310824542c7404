"""The command lines of Suricata."""

from __future__ import annotations

from pathlib import Path

from capture.packets.files import STANDARD_INPUT
from capture.packets.interfaces import ANY
from capture.settings import CaptureSettings
from capture.suricata.configuration import configuration
from capture.suricata.program import Program

PIPE = "/dev/stdout"
"""Where a Suricata writes its events that is read as it runs."""

_CONFIGURATION = "suricata.yaml"
_EVENTS = "eve.json"


def events_of(folder: Path) -> Path:
    """Where a Suricata that runs in this folder writes the events of a capture file."""
    return folder / _EVENTS


def file_command(
    program: Program, path: str, settings: CaptureSettings, folder: Path, *, whole: bool, flows: bool, deep: bool
) -> list[str]:
    """The Suricata that reads a capture file, or (``whole`` is false) a stream."""
    output = str(events_of(folder)) if whole else PIPE
    made = configuration(settings, output, flows=flows, deep=deep)
    return [*_common(program, made, settings, folder), "-r", "/dev/stdin" if path == STANDARD_INPUT else path]


def live_command(
    program: Program, interface: str, settings: CaptureSettings, folder: Path, *, flows: bool, deep: bool
) -> list[str]:
    """The Suricata that reads an interface, with a thread for each core."""
    made = configuration(settings, PIPE, interface=interface, flows=flows, deep=deep)
    # AF_PACKET has no name for all interfaces, libpcap has.
    device = f"--pcap={interface}" if interface == ANY else f"--af-packet={interface}"
    command = [*_common(program, made, settings, folder), device]
    return [*command, settings.filter] if settings.filter else command


def _common(program: Program, made: str, settings: CaptureSettings, folder: Path) -> list[str]:
    path = folder / _CONFIGURATION
    path.write_text(made, encoding="utf-8")
    command = [program.path, "-c", str(path), "-l", str(folder), "-k", "none"]
    # Also without a rule the detection engine takes two fifths of Suricata's time.
    return command if settings.suricata.rules else [*command, "--disable-detection"]
