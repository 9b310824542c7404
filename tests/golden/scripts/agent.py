"""A real SNMP agent on a port of its own, and what Net-SNMP's own client reads of it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_for

IN_OCTETS = "1.3.6.1.2.1.31.1.1.1.6.1"
OUT_OCTETS = "1.3.6.1.2.1.31.1.1.1.10.1"
missing = not (shutil.which("snmpd") and shutil.which("snmpget"))


class Agent:
    """Where it listens, and what it is asked with."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.community = "tests"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def params(self) -> dict[str, object]:
        """Parameters of the sample for this agent; interface 1 is the loopback, 99 is none."""
        return {"port": self.port, "community": self.community, "interfaces": [1, 99], "timeout": 1.0}

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def get(self, *names: str) -> list[int]:
        """Values by Net-SNMP's own client."""
        done = subprocess.run(
            ["snmpget", "-v2c", "-c", self.community, "-Oqv", f"127.0.0.1:{self.port}", *names],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return [int(line) for line in done.stdout.splitlines()]

    def answers(self) -> bool:
        """True when it does."""
        try:
            # Not what the sample asks for first: snmpd gives the answer to the same question from memory.
            return bool(self.get(OUT_OCTETS))
        except subprocess.CalledProcessError:
            return False


@contextmanager
def agent(
    folder: Path, *, readings: bool = False, port: int = 0, others: Sequence[str] = (), more: Sequence[str] = ()
) -> Iterator[Agent]:
    """A snmpd; with ``readings`` the loopback shows what :func:`show` says in place of the kernel's counters.

    ``port`` is one that is free, or any; ``others`` are addresses to listen at as well, ``more`` lines of its
    configuration.
    """
    made = Agent(port or free_port())
    configuration = folder / "snmpd.conf"
    addresses = ",".join(f"udp:{address}:{made.port}" for address in ("127.0.0.1", *others))
    lines = [f"rocommunity {made.community} 127.0.0.1", f"agentaddress {addresses}", *more]
    if readings:
        show(folder, 0, 0)
        program = folder / "counter"
        program.write_text(f'#!/bin/sh\n[ "$1" = -g ] && echo "$2" && echo counter64 && cat "{folder}/$2"\n')
        program.chmod(0o755)
        lines += [f"pass -p 1 .{name} {program}" for name in (IN_OCTETS, OUT_OCTETS)]
    configuration.write_text("\n".join(lines) + "\n", encoding="ascii")
    with (folder / "snmpd.log").open("wb") as log:
        process = subprocess.Popen(
            ["snmpd", "-f", "-Lo", "-C", "-c", str(configuration), "-p", str(folder / "snmpd.pid")],
            env={"SNMP_PERSISTENT_DIR": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MIBS": ""},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            made.process = process
            wait_for(made.answers, "snmpd to answer")
            yield made
        finally:
            made.stop()


def show(folder: Path, received: int, sent: int) -> None:
    """Let the agent of this folder show these readings from now on."""
    for name, value in ((IN_OCTETS, received), (OUT_OCTETS, sent)):
        (folder / f".{name}").write_text(f"{value}\n", encoding="ascii")


def free_port() -> int:
    """A UDP port of the loopback that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
