"""A child process that outlives the command that started it, and is found again by a later one.

A record on disk names the process by its id, its start time and the boot it was started in, so
that an id which the kernel has given to another process since is never signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

_POLL_SECONDS: Final = 0.05
_KILL_SECONDS: Final = 10.0
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Processes that this very process started; it has to collect their exit codes."""


class ProcessRecord(Struct, frozen=True, kw_only=True):
    """What is remembered of a started process.

    ``started`` is its start time in clock ticks since the machine booted, ``boot`` the id of that
    boot; ``ports`` the TCP ports it was given, by use; ``version`` the engine's.
    """

    pid: int
    started: int
    boot: str
    version: str
    ports: dict[str, int]


class _Stat(NamedTuple):
    """Some fields of ``/proc/<pid>/stat``."""

    ended: bool
    group: int
    started: int
    resident_bytes: int


class Account(NamedTuple):
    """The user and group a process is to run as."""

    uid: int
    gid: int


class DetachedProcess:
    """One long-running process with a session and process group of its own, known by ``record_file``."""

    def __init__(self, record_file: Path) -> None:
        self._record_file = record_file

    def record(self) -> ProcessRecord | None:
        """What was written when it was started, whether or not it still runs."""
        try:
            return msgspec.json.decode(self._record_file.read_bytes(), type=ProcessRecord)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def running(self) -> ProcessRecord | None:
        """The record if that very process is still there, else ``None``."""
        record = self.record()
        if record is None or record.boot != _boot_id():
            return None
        child = _children.get(record.pid)
        if child is not None and child.poll() is not None:
            del _children[record.pid]
            return None
        stat = _stat(record.pid)
        if stat is None or stat.ended or stat.started != record.started:
            return None
        return record

    def start(
        self,
        command: Sequence[str],
        *,
        output: Path,
        folder: Path,
        environment: Mapping[str, str],
        version: str,
        ports: Mapping[str, int],
        account: Account | None = None,
    ) -> ProcessRecord:
        """Start ``command`` in ``folder``, as ``account`` if one is given.

        Both of its output streams go to ``output``, which is begun anew. ``environment`` is all it
        sees of the environment. Raises ``OSError`` if the command cannot be run.
        """
        with output.open("wb") as stream:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        _children[child.pid] = child
        stat = _stat(child.pid)
        record = ProcessRecord(
            pid=child.pid,
            started=stat.started if stat else 0,
            boot=_boot_id(),
            version=version,
            ports=dict(ports),
        )
        partial = self._record_file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(record))
        partial.replace(self._record_file)
        return record

    def resident_bytes(self) -> int:
        """Memory the process and its children hold, in bytes; 0 when it does not run."""
        record = self.running()
        return sum(stat.resident_bytes for stat in _group(record.pid)) if record else 0

    def stop(self, seconds: float) -> bool:
        """Ask it to end, and kill it after ``seconds``; true if it was running.

        Returns when no process of its group is left.
        """
        return self._end(signal.SIGTERM, seconds)

    def kill(self) -> bool:
        """End it and its children at once, with no chance to tidy up; true if it was running."""
        return self._end(signal.SIGKILL, _KILL_SECONDS)

    def _end(self, first: signal.Signals, seconds: float) -> bool:
        record = self.running()
        if record is not None:
            _signal_group(record.pid, first)
            if not _wait_for_end(record.pid, seconds):
                _signal_group(record.pid, signal.SIGKILL)
                _wait_for_end(record.pid, _KILL_SECONDS)
        self._record_file.unlink(missing_ok=True)
        return record is not None


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _wait_for_end(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(True for _ in _group(group)):
            child = _children.pop(group, None)
            if child is not None:
                child.wait()
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _group(group: int) -> Iterator[_Stat]:
    """The living processes of a process group."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = _stat(int(entry.name))
            if stat is not None and stat.group == group and not stat.ended:
                yield stat


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the command's name in parentheses, may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return _Stat(
        # The first thread may have ended while others still hold the files and ports.
        ended=fields[0] in "ZX" and int(fields[17]) <= 1,
        group=int(fields[2]),
        started=int(fields[19]),
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
