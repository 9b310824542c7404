"""The page is followed word for word, by somebody in the folder that it speaks of."""

from __future__ import annotations

import re
import shutil
import time

import pytest

from tests.containers.stack import Stack
from tests.docs.pages import ROOT, Step, blocks, steps
from tests.docs.test_commands import WITH_COMPOSE, Shell, looks_only

pytestmark = pytest.mark.containers

PAGE = ROOT / "docs" / "how-to" / WITH_COMPOSE
ELSEWHERE = {"docker compose build --quiet": "the images are built before, since nothing can be fetched from here"}
SECONDS = 120.0


def follow(shell: Shell, step: Step) -> None:
    """Run a command until its output is as shown, which may take a while for one that only looks."""
    deadline = time.monotonic() + SECONDS
    while True:
        output, code = shell.run(step.command)
        if not code and (not step.output or step.matches(output)):
            return
        looks = looks_only(step.command) or re.search(r" (ps|logs|list)( |$)", step.command)
        if time.monotonic() > deadline or not looks:
            pytest.fail(f"{step.command}\nshown:\n{step.output}\nprinted ({code}):\n{output}", pytrace=False)
        time.sleep(0.5)


def test_the_page_can_be_followed(stack: Stack) -> None:
    shutil.copytree(ROOT / "scripts" / "samples", stack.folder / "scripts" / "samples")
    shell = Shell(stack.folder, stack.environment)
    try:
        for step in (step for block in blocks(PAGE) if block.language == "console" for step in steps(block)):
            if step.command in ELSEWHERE:
                continue
            follow(shell, step)
            if step.command == "cp .env.example .env":
                stack.write_environment()
        assert not stack.client.containers.list(all=True)
        assert not stack.client.volumes.list()
    finally:
        shell.close()
