"""The command lines of tshark and dumpcap."""

from __future__ import annotations

import shutil
from pathlib import Path

from capture.settings import CaptureSettings
from capture.tshark import dns, ftp, http, http2, logins, mail, smb, smb_versions, ssh, tftp, tls
from capture.tshark.frame import FIELDS
from capture.tshark.program import Program, known_fields
from topics.errors import TaplineError

SCRIPT = Path(__file__).with_name("content.lua")

_READERS = (dns, http, http2, tls, mail, ftp, tftp, smb, smb_versions, ssh, logins)

DISPLAY_FILTER = " || ".join(reader.FILTER for reader in _READERS)
"""The frames that carry something for a reader; tshark prints no other."""

_KERNEL_MEGABYTES = "32"
"""What the kernel may hold of an interface's packets, as for the flow engine."""

_BUFFER_BYTES = str(128 * 1024 * 1024)
"""What dumpcap may hold while tshark is behind; beyond, packets are dropped and counted."""

_IN_ORDER = "tcp.reassemble_out_of_order"


def file_command(program: Program, path: str, *, buffered: bool, in_order: bool = True) -> list[str]:
    """The tshark that prints the frames of a capture file or a stream (``-`` is standard input).

    ``buffered`` for a file; a stream's frames are printed as they come. ``in_order`` puts TCP
    segments that overtook others back in order; the price is that a segment missing from the
    capture holds back all that follows it on its connection.
    """
    command = [program.path, "-n", "-Q", "-r", path, "-Y", DISPLAY_FILTER, "-T", "ek"]
    command += ["-o", f"{_IN_ORDER}:{'TRUE' if in_order else 'FALSE'}"]
    if not buffered:
        command.append("-l")
    if program.lua:
        command += ["-X", f"lua_script:{SCRIPT}"]
    for name in fields(program):
        command += ["-e", name]
    return command


def live_commands(program: Program, interface: str, settings: CaptureSettings) -> list[list[str]]:
    """The dumpcap that reads an interface and the tshark that it feeds.

    Dumpcap is what tshark captures with itself; but a tshark that captures writes every packet to a
    temporary file which only grows. Segments are not put back in order: a busy interface loses
    packets, and a lost one must not end what is seen of a long connection.
    """
    path = shutil.which("dumpcap", path=str(Path(program.path).parent)) or shutil.which("dumpcap")
    if path is None:
        raise TaplineError("dumpcap is not installed: it comes with tshark and is needed to read an interface")
    dumpcap = [path, "-q", "-i", interface, "-s", str(settings.snaplen), "-B", _KERNEL_MEGABYTES, "-w", "-"]
    if not settings.promiscuous:
        dumpcap.append("-p")
    if settings.filter:
        dumpcap += ["-f", settings.filter]
    return [dumpcap, file_command(program, "-", buffered=False, in_order=False)]


def fields(program: Program) -> list[str]:
    """The fields to ask for: those of all readers that this tshark has."""
    known = known_fields(program.path)
    if not known:
        raise TaplineError(f"{program.path} does not say which fields it has: install tshark again")
    readers = (dns, http2, tls, ftp, tftp, smb, smb_versions, ssh, logins)
    wanted = dict.fromkeys((*FIELDS, *(name for reader in readers for name in reader.FIELDS)))
    return [name for name in wanted if name in known]
