"""What is checked before an engine starts; each failure is one line that says what to do."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path
from typing import Final

import psutil

from topics.errors import TaplineError

MEBIBYTE: Final = 1 << 20
DISK_NEEDED: Final = 2048 * MEBIBYTE
"""Free bytes that the engines' data and logs are to begin with."""

_MACHINES: Final = ("x86_64", "aarch64")


def nearest_existing(path: Path) -> Path:
    """``path`` itself if it exists, else the closest of its parents that does."""
    while not path.exists():
        path = path.parent
    return path


def check_platform() -> None:
    """The engines' native parts exist for Linux on two kinds of processor."""
    if platform.system() != "Linux" or platform.machine() not in _MACHINES:
        raise TaplineError(
            f"local engines need Linux on {' or '.join(_MACHINES)}, not {platform.system()} on {platform.machine()}: "
            "run Kafka and Elasticsearch elsewhere and set kafka.bootstrap and elasticsearch.url"
        )


def check_writable(folder: Path, setting: str = "services.folder") -> None:
    """``folder`` can be written, or made where it does not exist yet."""
    existing = nearest_existing(folder)
    if not existing.is_dir():
        raise TaplineError(f"{existing} is not a folder: remove it or set {setting} to another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise TaplineError(f"cannot write in {existing}: mend its permissions or set {setting} to another folder")


def check_disk(folder: Path, needed: int = DISK_NEEDED, setting: str = "services.folder") -> None:
    """At least ``needed`` bytes are free where ``folder`` is or will be."""
    free = shutil.disk_usage(nearest_existing(folder)).free
    if free < needed:
        raise TaplineError(
            f"only {free // MEBIBYTE} MiB of disk are free at {folder}, the engines need {needed // MEBIBYTE} MiB: "
            f"make room or set {setting} to a folder on another disk"
        )


def check_memory(needed: int) -> None:
    """At least ``needed`` bytes of memory are available."""
    available = psutil.virtual_memory().available
    if available < needed:
        raise TaplineError(
            f"only {available // MEBIBYTE} MiB of memory are available, the engines need {needed // MEBIBYTE} MiB: "
            "close other programs or use a larger machine"
        )


def check_port(port: int, purpose: str, setting: str) -> None:
    """Nothing listens on ``port`` of 127.0.0.1."""
    with socket.socket() as probe:
        # As Java does: connections that have ended but linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise TaplineError(f"port {port} for {purpose} is reserved: set {setting} to one above 1023") from error
        except OSError as error:
            raise TaplineError(
                f"port {port} for {purpose} is taken{_holder(port)}: stop what uses it or set {setting} to another port"
            ) from error


def _holder(port: int) -> str:
    """Who listens on ``port``, as far as we may know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
            continue
        if connection.laddr.port == port:
            try:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                return f" by process {connection.pid}"
    return ""
