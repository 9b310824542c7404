"""Somebody who sits in front of the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from confluent_kafka import Producer
from playwright.sync_api import Browser, Page

from console.parts import Console
from console.settings import ConsoleSettings
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.kibana.settings import KibanaSettings
from tapline.commands.console_scripts import ScriptWorkshop
from tests.integration.kibana.demo import Demo
from tests.waiting import wait_for
from topics.catalog import ALERT_STATE
from topics.codec import Envelope, encode
from topics.records import AlertState
from topics.settings import KafkaSettings
from workers.settings import WorkersSettings

PASSWORD = "a long enough password"
PATIENCE_MS = 120_000
"""However busy the machine is."""


class Sitting:
    """A console and a browser in front of it."""

    def __init__(self, url: str, console: Console, browser: Browser) -> None:
        self.url = url
        self.console = console
        self.browser = browser

    @contextmanager
    def sitting(
        self,
        role: str = "",
        *,
        theme: Literal["dark", "light"] = "light",
        width: int = 1280,
        zone: str = "Europe/Berlin",
        mistakes: bool = False,
    ) -> Iterator[Page]:
        """A page of a new browser, logged in if a role is named; fails when the browser finds an error in a page.

        With ``mistakes`` it is none that the console finds what is entered to be wrong (422).
        """
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, timezone_id=zone, base_url=self.url
        )
        context.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog {dialog.message}"))
        try:
            if role:
                page.goto("/login")
                page.get_by_label("Name").fill(role)
                page.get_by_label("Password").fill(PASSWORD)
                page.get_by_role("button", name="Log in").click()
                page.get_by_role("heading", name="Overview").wait_for()
            yield page
            assert [error for error in errors if not (mistakes and "422" in error)] == []
        finally:
            context.close()


class Seat(Sitting):
    """The same over what the demo capture has left, and what the console has printed."""

    def __init__(self, url: str, console: Console, browser: Browser, said: list[str], demo: Demo) -> None:
        super().__init__(url, console, browser)
        self.said = said
        self.demo = demo


def live(page: Page) -> None:
    """Wait until the page hears of changes."""
    page.locator("[data-connection]", has_text="live").filter(has_not_text="not").wait_for(state="attached")


def faults(page: Page) -> list[str]:
    """What axe calls a serious or critical fault of accessibility."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]


def tell(seat: Seat, state: AlertState) -> None:
    """Put a record of how a condition stands into Kafka, as the alert engine does."""
    kafka = seat.console.kafka
    failed: list[str] = []
    producer = Producer(kafka.client())
    producer.produce(
        ALERT_STATE.name(kafka.prefix),
        encode([state]),
        state.id.encode(),
        partition=0,
        headers=Envelope(ALERT_STATE.schema, "test", "live", 0, 0, 1).headers(),  # type: ignore[arg-type]
        on_delivery=lambda error, _: failed.append(error.str()) if error is not None else None,
    )
    assert producer.flush(60) == 0
    assert failed == []
    engaged = state.status == "engaged"
    wait_for(lambda: bool(seat.console.standing.engaged()) == engaged, "the console to know of it")


def console_alone(folder: Path, **settings: Any) -> Console:
    """A console in a folder, for pages that need neither Kafka nor Elasticsearch."""
    return Console(
        ConsoleSettings(port=0, folder=str(folder / "console"), **settings),
        KafkaSettings(bootstrap="127.0.0.1:1"),
        ElasticsearchSettings(),
        KibanaSettings(),
        list,
        ScriptWorkshop(WorkersSettings()),
        [],
    )
