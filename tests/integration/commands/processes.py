"""Commands that run beside a test, and what their pages say."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tapline.services.ports import free_port
from tests.integration.commands.conftest import TAPLINE, CommandLine
from tests.waiting import wait_for


@contextmanager
def beside(tapline: CommandLine, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program, or with ``tapline`` first one of our commands; what it says goes to ``<name>.log`` in the folder."""
    started = [*TAPLINE, *command[1:]] if command[0] == "tapline" else list(command)
    with (
        (tapline.folder / f"{name}.log").open("wb") as log,
        subprocess.Popen(
            started,
            cwd=tapline.folder,
            env=tapline.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                finally:
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)


def log_of(tapline: CommandLine, name: str) -> str:
    """What a command beside has said so far."""
    return Path(tapline.folder / f"{name}.log").read_text(encoding="utf-8")


def port_with_next() -> int:
    """A free port after which comes another free one: those of a supervisor and its worker."""
    while True:
        port = free_port()
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port + 1))
            return port


def page(port: int, name: str = "metrics") -> str:
    """A page of a process, "" while it does not answer well."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/{name}", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def wait_until_ready(port: int, tapline: CommandLine, name: str) -> None:
    """Until a process can take work; what it said stands in the failure."""
    try:
        wait_for(lambda: page(port, "readyz"), f"{name} to be ready", seconds=90)
    except AssertionError as error:
        raise AssertionError(log_of(tapline, name)[-2000:]) from error


def shown(port: int) -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each family that a process shows, by its name."""
    return {
        family.name: (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
        for family in text_string_to_metric_families(page(port))
    }
