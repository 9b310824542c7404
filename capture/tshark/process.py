"""A pipeline of processes: started, read by lines, and always reaped."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from topics.errors import TaplineError

LAST_WORDS = 50
_STOP_SECONDS = 10.0
_CHUNK_SECONDS = 0.2
_NO_NEWS = ("Running as user ",)


class Pipeline:
    """Commands of which each feeds the next; a context manager, good for one use.

    The last one's output is read with :meth:`lines`; what they all say on standard error is kept,
    the last lines of it, and never fills a pipe. ``hears`` is given each of these lines, from another thread.
    """

    def __init__(self, commands: Sequence[Sequence[str]], hears: Callable[[str], None] | None = None) -> None:
        self._commands = commands
        self._hears = hears
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._listeners: list[threading.Thread] = []
        self._said: list[deque[str]] = []
        self._stopping = False

    def __enter__(self) -> Self:
        try:
            with self._lock:
                for command in self._commands:
                    self._start(command)
        except OSError as error:
            self._reap(kill=True)
            raise TaplineError(f"{command[0]} does not start: {error.strerror or error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reap(kill=error is not None)

    @property
    def stopping(self) -> bool:
        """True once :meth:`stop` was called."""
        return self._stopping

    def lines(self) -> Iterator[bytes]:
        """What the last command prints, until it ends."""
        output = self._processes[-1].stdout
        if output:
            yield from output

    def chunks(self, size: int) -> Iterator[bytes]:
        """The same as it comes, at most ``size`` bytes at once; an empty one now and then, when nothing comes."""
        output = self._processes[-1].stdout
        while output:
            if not select.select([output], [], [], _CHUNK_SECONDS)[0]:
                yield b""
                continue
            chunk = os.read(output.fileno(), size)
            if not chunk:
                return
            yield chunk

    def fileno(self) -> int:
        """The descriptor of the last command's output, for who reads it without waiting."""
        output = self._processes[-1].stdout
        assert output is not None
        return output.fileno()

    def stop(self) -> None:
        """Let the first command end, and with it the others; from any thread, also before the start."""
        with self._lock:
            self._stopping = True
            if self._processes and self._processes[0].poll() is None:
                self._processes[0].terminate()

    def kill(self) -> None:
        """End all commands at once, whatever they are doing; from any thread."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()

    def held(self) -> int:
        """The bytes of memory that the last command holds; 0 when it has ended."""
        try:
            pages = Path(f"/proc/{self._processes[-1].pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def said(self) -> list[str]:
        """The last lines of the first command on standard error so far."""
        return list(self._said[0]) if self._said else []

    def finish(self) -> list[tuple[int, list[str]]]:
        """Wait for all to end; of each the exit code and its last lines on standard error."""
        self._reap(kill=False)
        return [(process.returncode, list(said)) for process, said in zip(self._processes, self._said, strict=True)]

    def _start(self, command: Sequence[str]) -> None:
        before = self._processes[-1].stdout if self._processes else None
        process = subprocess.Popen(
            [*ending_with_this(), *command],
            stdin=before,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
        if before:
            before.close()
        self._processes.append(process)
        said: deque[str] = deque(maxlen=LAST_WORDS)
        self._said.append(said)
        listener = threading.Thread(target=listen, args=(process.stderr, said, self._hears), daemon=True)
        listener.start()
        self._listeners.append(listener)
        if self._stopping:
            process.terminate()

    def _reap(self, *, kill: bool) -> None:
        for process in self._processes:
            if kill and process.poll() is None:
                process.kill()
        for process in self._processes:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for listener in self._listeners:
            listener.join()
        for process in self._processes:
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()


def ending_with_this() -> list[str]:
    """What makes a command end with the process that started it, where the machine has it (util-linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def listen(stream: IO[bytes] | None, said: deque[str], hears: Callable[[str], None] | None = None) -> None:
    """Keep the last lines of what a process says on standard error, until it ends; ``hears`` is given each."""
    for line in stream or ():
        text = line.decode("utf-8", "replace").strip()
        if text and not text.startswith(_NO_NEWS):
            said.append(text)
            if hears is not None:
                hears(text)


def environment() -> dict[str, str]:
    """The environment variables of a tshark."""
    # A user's Wireshark preferences must not change what is read here.
    return {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "WIRESHARK_CONFIG_DIR": str(Path(__file__).with_name("profile")),
    }


def reason_of(code: int, said: list[str]) -> str:
    """The line of a program of Wireshark's that says why it ended, without the program's name before it."""
    if not said:
        return f"tshark was ended by signal {-code}" if code < 0 else f"tshark left with exit code {code}"
    line = next((line for line in said if line.startswith(("tshark:", "dumpcap:"))), said[-1])
    return line.partition(": ")[2] or line
