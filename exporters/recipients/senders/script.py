"""Programs of one's own: the message as JSON on standard input."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import IO, Final

from exporters.recipients.notification import Message
from exporters.recipients.senders.sender import Rejected, Sender, Unavailable
from exporters.recipients.settings import Script
from tapline.process.secrets import secret
from topics.errors import TaplineError

EX_DATAERR: Final = 65
"""The exit code (sysexits.h) by which a program says that this message is refused for good."""

_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_SAID: Final = 1000


class ScriptSender(Sender):
    """Runs a program for each message, in a session of its own, with a clean environment and without a shell.

    Exit code 0 is delivered, 65 refused for good, any other is worth another attempt.
    """

    def __init__(self, recipient: Script) -> None:
        self._recipient = recipient
        self._environment: dict[str, str] = {}

    def open(self) -> None:
        recipient = self._recipient
        name = f"recipient {recipient.name}"
        program = Path(recipient.command[0])
        if not program.is_absolute():
            raise TaplineError(f"{name}: {recipient.command[0]!r} is no absolute path: write the whole path")
        if not (program.is_file() and os.access(program, os.X_OK)):
            raise TaplineError(f"{name}: {program} cannot be run: name a program that exists and is executable")
        self._environment = {"PATH": _PATH, "LANG": "C.UTF-8"} | {
            variable: secret(text, f"{name}: {variable}") if text.startswith(("env:", "file:")) else text
            for variable, text in recipient.environment.items()
        }

    def send(self, message: Message) -> None:
        try:
            body = message.encoded()
        except ValueError as error:
            raise Rejected("template", str(error)) from error
        # A file, not a pipe: a program that reads nothing is no reason to wait.
        with tempfile.TemporaryFile() as file:
            file.write(body)
            file.seek(0)
            code, said = self._run(file, message.key)
        if code == EX_DATAERR:
            raise Rejected("exit-65", said)
        if code:
            raise Unavailable(f"exit-{code}" if code > 0 else signal.Signals(-code).name, said)

    def _run(self, body: IO[bytes], key: str) -> tuple[int, str]:
        """The exit code, and the end of what was written to standard error."""
        try:
            process = subprocess.Popen(
                self._recipient.command,
                stdin=body,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**self._environment, "TAPLINE_MESSAGE_ID": key},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable("not-started", error.strerror or str(error)) from error
        said: deque[bytes] = deque(maxlen=2)
        errors = process.stderr
        assert errors is not None
        listener = threading.Thread(target=_listen, args=(errors, said), daemon=True)
        listener.start()
        try:
            process.wait(self._recipient.timeout)
        except subprocess.TimeoutExpired:
            raise Unavailable("timeout", f"not done within {self._recipient.timeout:g} s, and killed") from None
        finally:
            # What it has left behind in its session as well.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            listener.join(1.0)
            if not listener.is_alive():
                errors.close()
        text = b"".join(said)[-_SAID:].decode(errors="replace")
        return process.returncode, " ".join(text.split()) or "it says nothing"


def _listen(errors: IO[bytes], said: deque[bytes]) -> None:
    """Keep the end of what a program says, however much it is."""
    with contextlib.suppress(ValueError, OSError):
        while part := os.read(errors.fileno(), 4096):
            said.append(part)
