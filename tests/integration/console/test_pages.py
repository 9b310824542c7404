"""Every page in a real browser, over what the demo capture has left in Elasticsearch and Kafka."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.integration.console.seat import Seat, faults, live, tell
from topics.policy_log import read_entries
from topics.records import Alert, AlertState

PAGES = {
    "overview": "/",
    "flows": "/flows",
    "hosts": "/hosts",
    "host": "/hosts/10.20.1.12",
    "alerts": "/alerts?which=past",
    "exclusions": "/alerts/exclusions",
    "dns": "/resources?kind=dns",
    "certificates": "/resources?kind=x509",
    "trackers": "/trackers",
    "scripts": "/scripts",
    "script": "/scripts/dyndns_alert",
    "check": "/scripts/syn_flood_attacker",
    "rules": "/rules",
    "rule": "/rules/form",
    "rules as YAML": "/rules/yaml",
    "configuration": "/configuration",
    "pipeline": "/pipeline",
    "users": "/users",
    "audit": "/audit",
    "account": "/account",
}
SHOWN = {
    "overview": "803.8 kB",
    "flows": "intranet.example.net",
    "hosts": "198.51.100.20",
    "host": "Peers",
    "alerts": "short-ssh",
    "dns": "duckdns.org",
    "certificates": "CN=",
    "trackers": "203.0.113.67",
    "scripts": "Raising",
    "check": "256",
    "pipeline": "demo.pcap",
}
"""What of the demo has to stand on a page."""

PICTURED = {("overview", "light"), ("flows", "dark"), ("alerts", "light")}
PICTURES = ROOT / "docs" / "images"
"""Where the pictures of the documentation are; they are made anew where ``TAPLINE_PICTURES`` is set."""


def test_the_first_start_is_over_once_there_are_users(seat: Seat) -> None:
    assert re.search(r"token \S+", seat.said[0])
    with seat.sitting() as page:
        page.goto("/setup")
        page.get_by_role("heading", name="Tapline").wait_for()
        assert page.url.endswith("/login")
        assert faults(page) == []


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 320)])
def test_every_page_shows_and_is_for_everybody(theme: str, width: int, seat: Seat, tmp_path: Path) -> None:
    if seat.console.users.find("administrator") is None:
        seat.console.users.add("administrator", "administrator", "a long enough password")
    pictures = PICTURES if os.environ.get("TAPLINE_PICTURES") else tmp_path
    with seat.sitting("administrator", theme=theme, width=width) as page:  # type: ignore[arg-type]
        for name, path in PAGES.items():
            page.goto(path)
            page.get_by_role("heading", level=1).wait_for()
            if name in SHOWN:
                assert SHOWN[name] in page.locator("main").inner_text(), name
            live(page)
            assert faults(page) == [], name
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name} is wider than the window"
            if (name, theme) in PICTURED and width > 1000:
                page.screenshot(path=pictures / f"console-{name}-{theme}.png")


def test_one_gets_about_by_keyboard(seat: Seat) -> None:
    with seat.sitting("viewer") as page:
        page.goto("/flows")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        page.get_by_label("Port").focus()
        page.keyboard.type("53")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("port=53"))
        assert page.get_by_role("row").count() > 10


def test_times_are_those_of_the_viewer(seat: Seat) -> None:
    shown = []
    for zone in ("UTC", "Asia/Kolkata"):
        with seat.sitting("viewer", zone=zone) as page:
            page.goto("/flows")
            live(page)
            shown.append(page.locator("tbody time").first.inner_text())
            assert page.locator("[data-zone]").inner_text() in (zone, "Asia/Calcutta")
    assert shown == ["2026-11-21 09:47:13", "2026-11-21 15:17:13"]


def test_an_alert_appears_by_itself_and_is_dealt_with(seat: Seat) -> None:
    now = time.time_ns() // 1000
    alert = Alert(
        id="console-1",
        time=now,
        began=now,
        type="console_test",
        message="<b>somebody</b> scans",
        entity="10.20.1.66",
        entity_kind="host",
        severity=6,
        value=300,
        threshold=256,
        event="raised",
        episode="console-episode",
        stream="live",
    )
    with seat.sitting("operator") as page:
        page.goto("/alerts")
        live(page)
        page.get_by_text("Nothing is engaged").wait_for()
        tell(seat, AlertState(id="console-condition", time=now, alert=alert, status="engaged"))
        page.get_by_role("link", name="console_test").click()
        page.get_by_text("<b>somebody</b> scans").first.wait_for()
        assert "256" in page.locator("dl").inner_text()
        page.get_by_role("button", name="I have seen it").click()
        page.get_by_text("seen by operator").first.wait_for()
        form = page.locator("form", has=page.get_by_role("heading", name="Exclude"))
        form.get_by_label("For how long").fill("12 h")
        form.get_by_label("Comment").fill("known")
        form.get_by_role("button", name="Exclude").click()
        page.get_by_text("entity 10.20.1.66").first.wait_for()
        held = {path.partition("/")[0]: entry for path, entry in read_entries(seat.console.kafka).items()}
        assert held["acknowledgements"].author == "operator"
        assert held["exclusions"].comment == "known"
        page.get_by_role("button", name="Take back").click()
        page.get_by_text("Nothing is excluded here").wait_for()
        page.goto("/alerts")
        live(page)
        tell(seat, AlertState(id="console-condition", time=now + 1, alert=alert, status="released"))
        page.get_by_text("Nothing is engaged").wait_for()
    assert not any(path.startswith("exclusions/") for path in read_entries(seat.console.kafka))


def test_a_viewer_is_offered_nothing_to_change(seat: Seat) -> None:
    with seat.sitting("viewer") as page:
        for path in PAGES.values():
            if path in ("/users", "/audit", "/account"):
                continue
            page.goto(path)
            forms = page.locator("form[method=post]").evaluate_all("forms => forms.map(form => form.action)")
            assert [form for form in forms if not form.endswith("/logout")] == []
        assert page.get_by_role("link", name="Users").count() == 0


def test_a_page_draws_anew_and_leaves_alone_what_one_reads(seat: Seat) -> None:
    with seat.sitting("viewer") as page:
        live(page)
        page.evaluate("document.getElementById('tiles').textContent = 'old'")
        seat.console.hub.tell("tick")
        page.locator("#tiles", has_text="803.8 kB").wait_for()
        page.locator("#throughput summary").click()
        page.evaluate("document.getElementById('tiles').textContent = 'old'")
        seat.console.hub.tell("tick")
        page.locator("#tiles", has_text="803.8 kB").wait_for()
        assert page.locator("#throughput details").get_attribute("open") is not None
        assert page.locator("#throughput canvas").count() == 1
