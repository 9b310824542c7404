"""tshark as packet scripts need it: found, asked whether it knows a display filter, started."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from functools import lru_cache
from typing import Final

from capture.tshark.process import LAST_WORDS, ending_with_this, environment, listen
from capture.tshark.program import Program, find_tshark
from topics.errors import TaplineError

_EMPTY: Final = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 00000400 01000000")
"""A capture file of pcap without packets."""

_STOP_SECONDS: Final = 10.0


def needed_tshark() -> Program:
    """The tshark of this machine; :class:`TaplineError` where there is none."""
    program = find_tshark()
    if program is None:
        raise TaplineError("packet scripts need tshark: install it (apt install tshark), or disable them")
    return program


def command(program: Program, path: str, display_filter: str, *, buffered: bool) -> list[str]:
    """The tshark that prints the packets of a file or a stream (``-``) that a filter lets through."""
    made = [program.path, "-n", "-Q", "-r", path, "-Y", display_filter, "-T", "ek"]
    return made if buffered else [*made, "-l"]


def filter_problem(display_filter: str) -> str:
    """What tshark says is wrong with a display filter; empty when it is right.

    :class:`TaplineError` where there is no tshark to ask.
    """
    return _problem(needed_tshark().path, display_filter)


@lru_cache(maxsize=256)
def _problem(path: str, display_filter: str) -> str:
    asked = subprocess.run(
        [path, "-n", "-Q", "-r", "-", "-Y", display_filter],
        input=_EMPTY,
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    if not asked.returncode:
        return ""
    lines = [line for line in asked.stderr.decode("utf-8", "replace").splitlines() if line.startswith("tshark: ")]
    return lines[0].removeprefix("tshark: ").rstrip(".") if lines else f"tshark left with {asked.returncode}"


class DissectorEnded(TaplineError):
    """A tshark that has ended by itself, as one does that a malformed packet was too much for."""


class Dissector:
    """A tshark that is fed packets and prints those that its filter lets through; neither side of it blocks.

    ``waiting`` is what it has not taken yet.
    """

    def __init__(self, program: Program, display_filter: str) -> None:
        self.waiting = bytearray()
        self._closing = False
        self._rest = b""
        self._said: deque[str] = deque(maxlen=LAST_WORDS)
        try:
            self._process = subprocess.Popen(
                [*ending_with_this(), *command(program, "-", display_filter, buffered=False)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise TaplineError(f"{program.path} does not start: {error.strerror or error}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin
        self._output = self._process.stdout
        for pipe in (self._input, self._output):
            os.set_blocking(pipe.fileno(), False)
        self._listener = threading.Thread(target=listen, args=(self._process.stderr, self._said), daemon=True)
        self._listener.start()

    @property
    def wants(self) -> int | None:
        """What can be written to when there is room, where there is something to write."""
        return self._input.fileno() if self.waiting and not self._input.closed else None

    @property
    def gives(self) -> int | None:
        """What can be read from, until it has ended."""
        return None if self._output.closed else self._output.fileno()

    def feed(self, data: bytes) -> None:
        """Give it this, as soon as it takes it."""
        self.waiting += data

    def end(self) -> None:
        """Give it no more than what it was fed."""
        self._closing = True
        self._close_when_empty()

    def write(self) -> None:
        """Write what it takes."""
        try:
            written = os.write(self._input.fileno(), self.waiting[: 1 << 16])
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It has ended by itself; its exit code says so once its output has ended.
            written = len(self.waiting)
        del self.waiting[:written]
        self._close_when_empty()

    def read(self) -> list[bytes]:
        """The lines that it has printed; :class:`DissectorEnded` when it ends and was not told to."""
        try:
            chunk = os.read(self._output.fileno(), 1 << 18)
        except BlockingIOError:
            return []
        if not chunk:
            self._ended()
            return []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines

    def stop(self) -> None:
        """End it, whatever it is doing, and wait for that."""
        self._closing = True
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._close()

    def _close_when_empty(self) -> None:
        if self._closing and not self.waiting and not self._input.closed:
            self._input.close()

    def _ended(self) -> None:
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._close()
        if code or not self._closing:
            said = next(iter(self._said), f"exit code {code}")
            raise DissectorEnded(f"a tshark of the packet scripts has ended: {said}")

    def _close(self) -> None:
        self._listener.join()
        for pipe in (self._input, self._output, self._process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
