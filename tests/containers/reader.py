"""Somebody who follows a page on the machine."""

from __future__ import annotations

import re
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.containers.machine import installing
from tests.containers.stack import Stack
from tests.docs.pages import Step, blocks, steps
from tests.docs.test_commands import Shell, looks_only

_SECONDS: Final = 120.0


class Reader:
    """Follows the commands of a page, within the block; what the machine is made by is not done again.

    ``knobs`` are what this one changes in the ``.env`` besides what has to be.
    """

    def __init__(self, stack: Stack, page: Path, **knobs: str) -> None:
        found = [step for block in blocks(page) if block.language == "console" for step in steps(block)]
        self._stack = stack
        self._knobs = knobs
        self._left = deque(step for step in found if step.command not in installing())
        self._shell: Shell

    def __enter__(self) -> Self:
        self._shell = self._stack.shell()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shell.close()

    def follow_before(self, command: str) -> None:
        """Do what stands before this command."""
        while self._left[0].command != command:
            self._follow(self._left.popleft())

    def follow_to_the_end(self) -> None:
        """Do what is left."""
        while self._left:
            self._follow(self._left.popleft())

    def _follow(self, step: Step) -> None:
        """Run a command until its output is as shown, which may take a while for one that only looks."""
        deadline = time.monotonic() + _SECONDS
        while True:
            # Compose gives containers what comes to the shell, and the next commands come so.
            output, code = self._shell.run(f"{{ {step.command}\n}} < /dev/null")
            # A command that fails is one whose error is shown.
            if (not code or "tapline: " in step.output) and (not step.output or step.matches(output)):
                break
            looks = looks_only(step.command) or re.search(r" (ps|logs|list)( |$)", step.command)
            if time.monotonic() > deadline or not looks:
                said = "\n".join(f"== {name}\n{log}" for name, log in self._stack.logs().items())
                pytest.fail(
                    f"{step.command}\nshown:\n{step.output}\nprinted ({code}):\n{output}\n{said}", pytrace=False
                )
            time.sleep(0.5)
        if step.command == "cp .env.example .env":
            self._stack.write_environment(**self._knobs)
