"""Record the demo capture: real programs in network namespaces of their own, seen from the router.

Run as root on Linux: ``python -m tapline.demo.record OUT.pcap``. It takes about five minutes.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from tapline.demo import topology
from tapline.demo.certificates import make_certificates
from tapline.demo.network import Network, last_line
from tapline.demo.schedule import START_SECOND, Event, schedule
from tapline.demo.servers import Servers
from tapline.demo.web_files import write_web_files
from topics.errors import TaplineError

LARGEST_CAPTURE = 3_000_000
"""Bytes that the capture file may have, because it is committed."""

_ADMINISTRATION = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_PACKAGES = {
    "ip": "iproute2",
    "ss": "iproute2",
    "unshare": "util-linux",
    "logger": "bsdutils",
    "ethtool": "ethtool",
    "dumpcap": "wireshark-common",
    "reordercap": "wireshark-common",
    "openssl": "openssl",
    "curl": "curl",
    "wget": "wget",
    "nginx": "nginx-light",
    "dnsmasq": "dnsmasq-base",
    "dig": "bind9-dnsutils",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nc": "netcat-openbsd",
    "snmpd": "snmpd",
    "snmpget": "snmp",
    "snmpwalk": "snmp",
    "ping": "iputils-ping",
    "nmap": "nmap",
    "hping3": "hping3",
}
"""Each program that the recording runs, and the Debian package that has it."""

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_DROPPED = re.compile(r"received/dropped on interface '[^']*': (\d+)/(\d+)")


def missing_packages() -> list[str]:
    """Return the Debian packages of programs that this machine lacks, sorted."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_ADMINISTRATION))
    return sorted({package for program, package in _PACKAGES.items() if shutil.which(program, path=path) is None})


def check_machine() -> None:
    """Raise with one line that says what to do if this machine cannot record."""
    if not sys.platform.startswith("linux"):
        raise TaplineError("recording needs Linux with network namespaces")
    if os.geteuid() != 0:
        raise TaplineError("recording needs root: run it again with sudo")
    missing = missing_packages()
    if missing:
        raise TaplineError(f"programs are missing: apt-get install --no-install-recommends {' '.join(missing)}")


def record(output: Path) -> None:
    """Record the demo into ``output``; the file appears only when everything went as planned."""
    if not output.parent.is_dir():
        raise TaplineError(f"the folder {output.parent} does not exist: make it first")
    os.environ["PATH"] = os.pathsep.join((os.environ.get("PATH", ""), *_ADMINISTRATION))
    with tempfile.TemporaryDirectory(prefix="tapline-demo-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        click.echo("making certificates and files")
        certificates = make_certificates(directory / "pki", datetime.now(UTC))
        write_web_files(directory / "web")
        click.echo("building the network and starting the servers")
        with Network(directory) as network:
            servers = Servers(network, directory, directory / "web", certificates)
            servers.start()
            recording = directory / "recording.pcap"
            _wait_for_second(START_SECOND - 2)
            dumpcap = _start_recording(network, recording)
            _wait_for_second(START_SECOND)
            _run(network, schedule(certificates, servers.client_key))
            packets = _stop_recording(network, dumpcap)
        ordered = _in_order_of_time(recording)
        size = ordered.stat().st_size
        if size > LARGEST_CAPTURE:
            raise TaplineError(
                f"the recording has {size} bytes, more than {LARGEST_CAPTURE}: make the downloads smaller"
            )
        _place(ordered, output)
    click.echo(f"{output}: {packets} packets, {size} bytes")


def _wait_for_second(second: int) -> None:
    remaining = (second - time.time()) % 60
    if remaining > 1:
        click.echo(f"waiting {remaining:.0f} s for second {second} of a minute")
    time.sleep(remaining)


def _start_recording(network: Network, recording: Path) -> subprocess.Popen[bytes]:
    command = ("dumpcap", "-i", topology.LAN, "-P", "-B", "16", "-w", str(recording))
    dumpcap = network.start(topology.ROUTER, command, log="dumpcap")
    deadline = time.monotonic() + 10
    while not recording.exists() or recording.stat().st_size == 0:
        if dumpcap.poll() is not None or time.monotonic() > deadline:
            raise TaplineError(f"dumpcap does not record: {last_line(network.log('dumpcap'))}")
        time.sleep(0.05)
    return dumpcap


def _stop_recording(network: Network, dumpcap: subprocess.Popen[bytes]) -> int:
    dumpcap.send_signal(signal.SIGINT)
    dumpcap.wait(20)
    counted = _DROPPED.search(network.log("dumpcap").read_text(encoding="utf-8", errors="replace"))
    if counted is None:
        raise TaplineError(f"dumpcap did not say what it dropped: {last_line(network.log('dumpcap'))}")
    received, dropped = map(int, counted.groups())
    if dropped:
        raise TaplineError(
            f"dumpcap dropped {dropped} of {received} packets: record again on a machine with less to do"
        )
    return received


def _in_order_of_time(recording: Path) -> Path:
    """Sort the frames by their time stamps: the kernel stamps a frame before it hands it to the capture."""
    ordered = recording.with_name("ordered.pcap")
    command = ("reordercap", str(recording), str(ordered))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise TaplineError(f"reordercap failed: {' '.join(done.stderr.split())}")
    return ordered


def _run(network: Network, events: Sequence[Event]) -> None:
    begin = time.monotonic()
    running: list[tuple[Event, subprocess.Popen[bytes], str]] = []
    for number, event in enumerate(events):
        time.sleep(max(0.0, begin + event.at - time.monotonic()))
        click.echo(f"{event.at:6.1f} s  {event.host:10} {event.title}")
        log = f"event-{number}"
        running.append((event, network.start(event.host, event.command, log=log), log))
    for event, program, log in running:
        try:
            code = program.wait(max(0.1, begin + event.at + event.limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TaplineError(f"{event.title} on {event.host} did not end within {event.limit:.0f} s") from None
        if code not in event.exits:
            reason = last_line(network.log(log))
            raise TaplineError(f"{event.title} on {event.host} ended with code {code}: {reason}")
    time.sleep(2)


def _place(recording: Path, output: Path) -> None:
    partial = output.with_name(f"{output.name}.part")
    try:
        shutil.copyfile(recording, partial)
        partial.replace(output)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TaplineError(f"cannot write {output}: {error.strerror}") from error


def _end(number: int, _frame: FrameType | None) -> None:
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise TaplineError(f"ended by {signal.Signals(number).name}; the demo network is removed")


@click.command()
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
def main(output: Path) -> None:
    """Record the demo network's traffic into the capture file OUTPUT."""
    for number in _ENDING:
        signal.signal(number, _end)
    try:
        check_machine()
        record(output)
    except TaplineError as error:
        click.echo(f"tapline: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
