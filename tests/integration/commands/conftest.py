"""The command line as processes of their own, against the real engines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TAPLINE = [sys.executable, "-m", "tapline"]


class CommandLine:
    """Runs commands in a folder with a configuration of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("TAPLINE_")}
        self.environment |= environment

    def __call__(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*TAPLINE, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command beside the test; it is killed at the end if it still runs."""
        # Where the tests themselves run in the background, an interrupt is ignored and that is handed down.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with subprocess.Popen(
            [*TAPLINE, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()


@pytest.fixture
def tapline(kafka: str, elasticsearch: str, tmp_path: Path) -> CommandLine:
    """Commands that use the shared engines, with names that nobody else uses."""
    own = f"t{uuid.uuid4().hex[:8]}"
    return CommandLine(
        tmp_path,
        {
            "TAPLINE_KAFKA__BOOTSTRAP": kafka,
            "TAPLINE_KAFKA__PREFIX": own,
            "TAPLINE_KAFKA__PARTITIONS": "2",
            "TAPLINE_WORKERS__GROUP": f"{own}-workers",
            "TAPLINE_ELASTICSEARCH__HOSTS": f"['{elasticsearch}']",
            "TAPLINE_ELASTICSEARCH__NAMESPACE": own,
        },
    )
