"""The demo capture the whole way into Elasticsearch, and a console on top of it with a browser."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, sync_playwright

from console.parts import Console
from console.server import ConsoleServer
from tapline.commands.backlog import whole_backlog
from tapline.commands.console_scripts import ScriptWorkshop
from tapline.configuration import load
from tapline.process.health import Health
from tests.integration.console.seat import PASSWORD, Seat
from tests.integration.kibana.demo import demonstrated
from tests.waiting import wait_for


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("the console is looked at in chromium (apt install chromium)")
    with sync_playwright() as playwright:
        # As root Chromium has no sandbox; what it shows comes from this machine.
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="package")
def seat(kafka: str, elasticsearch: str, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seat]:
    if shutil.which("tshark") is None:
        pytest.skip("resources need tshark (apt install tshark)")
    folder: Path = tmp_path_factory.mktemp("console")
    with demonstrated(kafka, elasticsearch, folder) as demo:
        configuration = load(str(folder / "tapline.yaml"), {}).configuration
        settings = replace(configuration.console, port=0, folder=str(folder / "console"))
        console = Console(
            settings,
            configuration.kafka,
            configuration.elasticsearch,
            configuration.kibana,
            lambda: whole_backlog(configuration),
            ScriptWorkshop(configuration.workers),
            configuration.workers.policy,
        )
        said: list[str] = []
        server = ConsoleServer(console, Health(), said.append)
        with server:
            thread = threading.Thread(target=server.run, name="console")
            thread.start()
            try:
                wait_for(lambda: len(said) == 2, "the console to say where it is")
                wait_for(lambda: not console.standing.problem, "Kafka's topics to be read", seconds=120)
                for role in ("viewer", "operator"):
                    console.users.add(role, role, PASSWORD)
                yield Seat(server.url, console, browser, said, demo)
            finally:
                server.leave()
                thread.join(60)
        assert not thread.is_alive()
