"""What attackers could send, taken by what takes traffic and shown on every page of a real browser: it does nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Page

from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.snmptrap.intake import TYPE as TRAP
from capture.snmptrap.intake import Intake
from capture.source import observe_live
from exporters.elasticsearch.documents import EXPORTED, encode_document, index_name
from tests.integration.console import hostile_capture
from tests.integration.console.hostile_capture import BEGIN, CLIENT, DAY
from tests.integration.console.seat import Seat, live, tell
from tests.unit.console.hostile import hostile_documents
from topics.catalog import ALERT, DEAD, DOCUMENT, FLOW, NOTIFICATION, RESOURCE, Topic
from topics.dead_letters import EXPORTER, dead_letter
from topics.records import Alert, AlertState, Record

SPAN = f"from={DAY}&to=2001-01-02"
SHOWN = {
    "/": (),
    "/flows": (),
    "/flows/{flow}": (),
    "/hosts": (),
    f"/hosts/{CLIENT}": (),
    "/alerts?which=engaged": ("engaged",),
    "/alerts?which=past": ("signature", "snmp"),
    "/alerts/{alert}": ("signature",),
    "/alerts/{trap}": ("snmp",),
    "/alerts/engaged-episode": ("engaged",),
    "/alerts/exclusions": (),
    "/resources?kind=dns": ("dns",),
    "/resources?kind=url": ("http-host", "program", "server", "content"),
    "/resources?kind=tls": ("sni",),
    "/resources?kind=x509": ("subject", "issuer"),
    "/resources?kind=file": ("content",),
    "/trackers": (),
    "/pipeline": ("refused",),
    "/users": (),
    "/audit": ("comment",),
    "/account": (),
}
"""Every page, and what of the traffic has to stand there: what shows nothing hostile is no proof of anything."""

WATCH = """
addEventListener("securitypolicyviolation", (event) => {
  (window.violations ??= []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
FOUND = """
() => ({
  harmed: window.harmed ?? null,
  violations: window.violations ?? [],
  elements: [...document.querySelectorAll("main script, main img, main iframe, main object, main embed, main base")]
    .map((element) => element.outerHTML.slice(0, 200)),
  handlers: [...document.querySelectorAll("*")]
    .flatMap((element) => element.getAttributeNames())
    .filter((name) => name.startsWith("on")),
  text: document.querySelector("main").innerText + document.querySelector("main").innerHTML,
})
"""


class Keeping:
    """A sink that keeps what can be a document."""

    def __init__(self) -> None:
        self.records: list[tuple[Topic, Record, int]] = []

    def put(self, topic: Topic, key: str, record: Record, window: int) -> None:  # noqa: ARG002 - a sink's signature
        if topic is ALERT and isinstance(record, Alert):
            # As the alert engine does with one that stands for itself.
            topic, record = NOTIFICATION, replace(record, event="stored", episode=record.id, time=BEGIN)
        if topic in EXPORTED:
            self.records.append((topic, record, window))

    def advance(self, source: str, window: int) -> None:
        pass

    def count(self, source: str, counter: str, amount: int = 1) -> None:
        pass


@pytest.fixture(scope="module")
def places(seat: Seat, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """All of it in Elasticsearch and Kafka; the ids that stand in addresses of pages."""
    folder = tmp_path_factory.mktemp("hostile")
    taken = take(folder)
    lines: list[Any] = []
    for topic, record, window in taken:
        index = index_name(topic.kind, seat.demo.namespace)
        lines.append({"create": {"_index": index, "_id": record.id}})
        lines.append(encode_document(topic, record, "hostile", window, seat.demo.namespace))
    answer = seat.demo.client.bulk(operations=lines, refresh=True)
    assert not answer["errors"], [each for each in answer["items"] if "error" in each["create"]][:3]
    alerts = {record.type: record.id for _, record, _ in taken if isinstance(record, Alert)}
    assert len(alerts) == 2
    engaged = Alert(
        id="engaged",
        time=BEGIN,
        began=BEGIN,
        type=hostile_capture.harm("engaged"),
        message=hostile_capture.harm("engaged"),
        entity=hostile_capture.harm("engaged"),
        severity=6,
        event="raised",
        episode="engaged-episode",
    )
    tell(seat, AlertState(id="hostile", time=BEGIN, alert=engaged, status="engaged"))
    seat.console.audit.write("viewer", "set", hostile_capture.harm("comment"), hostile_capture.harm("comment"))
    if seat.console.users.find("administrator") is None:
        seat.console.users.add("administrator", "administrator", "a long enough password")
    flows = [record.flow_id for topic, record, _ in taken if topic.kind == "flow"]  # type: ignore[attr-defined]
    trap = alerts.pop(TRAP)
    (other,) = alerts.values()
    try:
        yield {"{flow}": flows[1], "{alert}": other, "{trap}": trap}
    finally:
        tell(seat, AlertState(id="hostile", time=BEGIN + 1, alert=engaged, status="released"))


def take(folder: Path) -> list[tuple[Topic, Record, int]]:
    """What capture makes of the packets, the lines and the trap."""
    hostile_capture.write_capture(folder / "hostile.pcap")
    hostile_capture.write_lines(folder / "lines.txt")
    sink = Keeping()
    for name in (str(folder / "hostile.pcap"), f"syslog:{folder / 'lines.txt'}"):
        for source in open_capture(name, CaptureSettings(depth="deep", engine="tshark"))[1]:
            source.run(sink)
    intake = Intake(observe_live("node", "snmptrap:udp://127.0.0.1:162", 1), "", lambda *_: None, 60, sink)  # type: ignore[arg-type,return-value]
    intake.take(hostile_capture.trap(), CLIENT)
    # Elasticsearch repeats a value that it cannot take.
    why = f"failed to parse a field. Preview of field's value: '{hostile_capture.harm('refused')}'"
    place = (FLOW.name("tapline"), 0, 66)
    letter = dead_letter(EXPORTER, place, BEGIN, None, b"[]", ("document_parsing_exception", why), node="exporter")
    sink.records.append((DEAD, letter, BEGIN // 1_000_000))
    kinds = {topic for topic, _, _ in sink.records}
    assert kinds == {FLOW, RESOURCE, DOCUMENT, NOTIFICATION, DEAD}
    return sink.records


def test_hostile_traffic_shows_harmlessly_on_every_page(seat: Seat, places: dict[str, str]) -> None:
    with seat.sitting("administrator") as page:
        page.add_init_script(WATCH)
        for path, marks in SHOWN.items():
            for name, value in places.items():
                path = path.replace(name, value)  # noqa: PLW2901 - the page's own address
            page.goto(f"{path}{'&' if '?' in path else '?'}{SPAN}")
            page.get_by_role("heading", level=1).wait_for()
            live(page)
            harmless(page, path, marks)


def test_what_draws_itself_anew_stays_harmless(seat: Seat, places: dict[str, str]) -> None:
    with seat.sitting("viewer") as page:
        page.add_init_script(WATCH)
        page.goto(f"/pipeline?{SPAN}")
        live(page)
        page.evaluate("document.getElementById('pipeline').textContent = 'old'")
        seat.console.hub.tell("tick")
        page.locator("#dead-letters").wait_for()
        harmless(page, "/pipeline, anew", ("refused",))


def test_the_search_says_back_harmlessly_what_it_was_asked(seat: Seat) -> None:
    asked = hostile_capture.harm("asked")[:190]
    with seat.sitting("viewer") as page:
        page.add_init_script(WATCH)
        for path, name in (
            ("/flows", "application"),
            ("/resources", "search"),
            ("/alerts", "type"),
        ):
            page.goto(path)
            page.goto(f"{path}?{page.evaluate('given => new URLSearchParams(given).toString()', {name: asked})}")
            page.get_by_role("heading", level=1).wait_for()
            harmless(page, f"{path} {name}", ("asked",))
        page.goto(f"/flows?{page.evaluate('given => new URLSearchParams(given).toString()', {'said': asked})}")
        page.get_by_role("heading", level=1).wait_for()
        harmless(page, "/flows said", ())
        assert page.locator("main > .note.good").count() == 0, "a link does not say what was done"


def test_records_that_say_so_everywhere(seat: Seat) -> None:
    """Also where traffic has no say: what a script or a node could be made to repeat."""
    for kind, fields in hostile_documents().items():
        seat.demo.client.create(
            index=index_name(kind, seat.demo.namespace), id=f"hostile-{kind}", document=fields, refresh=True
        )
    with seat.sitting("viewer") as page:
        page.add_init_script(WATCH)
        for path in (
            "/flows",
            "/flows/f1",
            "/alerts?which=past",
            "/alerts/e1",
            "/resources?kind=dns",
            "/hosts/192.0.2.1",
        ):
            page.goto(f"{path}{'&' if '?' in path else '?'}from=1970-01-01&to=1970-01-02")
            live(page)
            assert "window.harmed" in page.locator("main").inner_text(), path
            harmless(page, path, ())


def harmless(page: Page, path: str, marks: tuple[str, ...]) -> None:
    """The page shows these marks as text, and nothing of them has become anything else."""
    found = page.evaluate(FOUND)
    assert found["harmed"] is None, path
    assert found["violations"] == [], path
    assert found["elements"] == [], path
    assert found["handlers"] == [], path
    for mark in marks:
        assert f"window.harmed='{mark}'" in found["text"].replace("&#39;", "'"), (path, mark)
    assert not re.search("[\x1b\x00\u202e]", json.dumps(found["text"], ensure_ascii=False)), path
