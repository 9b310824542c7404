"""The page is followed word for word on a clean machine, by somebody in the folder that it speaks of."""

from __future__ import annotations

import re
import time

import pytest

from tests.containers.machine import PAGE, installing
from tests.containers.stack import Stack
from tests.docs.pages import Step, blocks, steps
from tests.docs.test_commands import Shell, looks_only

pytestmark = pytest.mark.containers

SECONDS = 120.0


def follow(shell: Shell, step: Step) -> None:
    """Run a command until its output is as shown, which may take a while for one that only looks."""
    deadline = time.monotonic() + SECONDS
    while True:
        # Compose gives containers what comes to the shell, and the next commands come so.
        output, code = shell.run(f"{{ {step.command}\n}} < /dev/null")
        if not code and (not step.output or step.matches(output)):
            return
        looks = looks_only(step.command) or re.search(r" (ps|logs|list)( |$)", step.command)
        if time.monotonic() > deadline or not looks:
            pytest.fail(f"{step.command}\nshown:\n{step.output}\nprinted ({code}):\n{output}", pytrace=False)
        time.sleep(0.5)


def test_the_page_can_be_followed(stack: Stack) -> None:
    # The machine is made by these.
    installed = installing()
    assert installed, "the page does not say how to install Docker"
    shell = stack.shell()
    try:
        for step in (step for block in blocks(PAGE) if block.language == "console" for step in steps(block)):
            if step.command in installed:
                continue
            follow(shell, step)
            if step.command == "cp .env.example .env":
                stack.write_environment()
        assert not stack.client.containers.list(all=True)
        assert not stack.client.volumes.list()
    finally:
        shell.close()
