"""Pages: harmless whatever traffic says, in words where something is wrong, and small."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from console.data.span import Span
from console.errors import Unavailable
from console.vendoring import LOCK, differing, read_lock
from console.web.drawing import FOLDER, amount, count, environment, lasting, query, short
from tapline.process.printable import printable
from tests.unit.console.hostile import HOSTILE, hostile_documents
from tests.unit.console.lab import NOTHING, Lab

COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PAGES = (
    "/",
    "/flows",
    "/flows/f1",
    "/hosts",
    "/hosts/192.0.2.1",
    "/alerts",
    "/alerts?which=past",
    "/alerts/e1",
    "/alerts/exclusions",
    *(f"/resources?kind={kind}" for kind in ("dns", "url", "tls", "x509", "file", "ssh", "smb", "login")),
    "/trackers",
    "/pipeline",
)


def hostile(_what: str, question: dict[str, Any]) -> dict[str, Any]:
    """Every list holds every document, and every key of every aggregation is hostile too."""

    def answered(asked: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, each in asked.items():
            inner = answered(each.get("aggs", {}))
            if "terms" in each or "date_histogram" in each:
                key = 60_000 if "date_histogram" in each else HOSTILE
                found[name] = {"buckets": [{"key": key, "doc_count": 3, **inner}]}
            else:
                found[name] = {"value": 60_000}
        return found

    hits = [{"_source": each, "sort": ["1", HOSTILE]} for each in hostile_documents().values()]
    return {
        "hits": {"hits": hits, "total": {"value": 3, "relation": "eq"}},
        "aggregations": answered(question.get("aggs", {})),
    }


@pytest.mark.parametrize("path", PAGES)
def test_hostile_traffic_shows_harmlessly(path: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.store.answer = hostile
    lab.engage(type=HOSTILE, message=HOSTILE, entity=HOSTILE, script=HOSTILE, attributes={HOSTILE: HOSTILE})
    answer = lab.client("administrator").get(path)
    assert answer.status_code == 200, answer.text
    text = answer.text
    assert "<img" not in text.replace('<img src="/static/icon.svg"', "")
    assert len(re.findall("<script", text)) == len(
        re.findall(r'<script src="/static/[\w./-]+"(?: defer)?></script>', text)
    )
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt;(.{6})", text)
    assert not COMMANDING.search(text)
    assert len(text) < 400_000, "nothing makes a page long"
    if path != "/alerts/exclusions":
        assert "&lt;script&gt;window.harmed=1" in text, "it is shown, as text"


@given(st.text(max_size=400))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_becomes_markup(text: str) -> None:
    shown = environment().from_string('<p title="{{ text }}">{{ text }}|{{ text | short(20) }}</p>').render(text=text)
    body = shown.removeprefix('<p title="').removesuffix("</p>")
    assert "<" not in body.replace("<span title=", "").replace("</span>", "")
    assert not COMMANDING.search(shown)
    assert Markup(body.partition('">')[0]).unescape() == printable(text)


def test_scripts_and_styles_are_in_files_of_their_own() -> None:
    for path in (FOLDER / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\s(style|on\w+)\s*=", text), path.name
        assert not re.search(r"<style|javascript:", text), path.name
        assert re.findall(r"<script(?! src=)", text) == [], path.name
        assert not re.search(r"(src|href)=\"(https?:)?//", text), f"{path.name} needs another server"
        assert "| safe" not in text, path.name


def test_all_script_together_is_small() -> None:
    scripts = list((FOLDER / "static").rglob("*.js"))
    assert len(scripts) >= 3
    assert sum(path.stat().st_size for path in scripts) < 250 * 1024


def test_what_is_vendored_is_what_the_lock_says() -> None:
    packages = read_lock()
    assert differing(packages) == []
    named = {name for package in packages for name in package.files.values()} | {LOCK.name}
    assert {path.name for path in LOCK.parent.iterdir()} == named, "nothing else lies there"
    assert all(package.licence for package in packages)


def test_an_elasticsearch_that_is_away_is_told_and_comes_back(tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    def away(_what: str, _question: dict[str, Any]) -> dict[str, Any]:
        raise Unavailable("Elasticsearch cannot be reached: this page is back when it is")

    client = lab.client("viewer")
    for path in PAGES:
        if path in ("/alerts", "/alerts/exclusions"):
            continue  # these are Kafka's
        lab.store.answer = away
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert "Elasticsearch cannot be reached" in answer.text
        assert "Try this page again" in answer.text
        lab.store.answer = lambda _what, _question: NOTHING
        assert client.get(path).status_code in (200, 404), path
    lab.store.answer = away
    # What was answered some seconds ago is still told, with when that was.
    assert client.get("/api/overview").status_code == 200
    assert client.get("/api/overview?range=6h").status_code == 503
    assert client.get("/api/overview?range=6h").json()["detail"].startswith("Elasticsearch cannot be reached")
    assert client.get("/alerts").status_code == 200, "what Kafka knows is shown all the same"


def test_a_kafka_that_is_away_is_told(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.engage(type="short-ssh", message="m", entity="192.0.2.1")
    lab.console.standing.problem = "cannot reach Kafka at 127.0.0.1:9092"
    page = lab.client("viewer").get("/alerts").text
    assert "cannot reach Kafka" in page
    assert "may be out of date" in page
    assert "short-ssh" in page, "what was known stays"
    assert "cannot reach Kafka: start it" in lab.client("viewer").get("/pipeline").text
    assert lab.client("viewer").get("/api/alerts/engaged").json()["problem"]


def test_empty_pages_say_what_to_do(tmp_path: Path) -> None:
    client = Lab(tmp_path).client("viewer")
    for path, said in (
        ("/", "tapline scripts enable --checks"),
        ("/flows", "Choose a longer time"),
        ("/hosts", "Choose a longer time"),
        ("/alerts", "Nothing is engaged"),
        ("/resources", "capture.depth"),
        ("/trackers", "tapline scripts enable long_ssh"),
        ("/pipeline", "tapline capture"),
    ):
        assert said in client.get(path).text, path


def test_mistakes_are_told_in_words(tmp_path: Path) -> None:
    client = Lab(tmp_path).client("viewer")
    page = client.get("/flows?address=nowhere&port=99999&country=Germany")
    assert page.status_code == 422
    assert "is neither an address, as 192.0.2.1, nor a network" in page.text
    assert page.text.count('aria-invalid="true"') == 3
    for path, said in (
        ("/hosts/nobody", "is no address, as 192.0.2.1"),
        ("/hosts?search=10.0.0.0/99", "is no network, as 192.0.2.0/24"),
        ("/resources?kind=smoke", "there is no kind smoke"),
        ("/flows?range=2y", "there is no range 2y"),
        ("/flows?from=yesterday", "has to be a time, as 2026-12-31T18:00Z"),
        ("/flows?from=2026-02-01&to=2026-01-01", "has to end after it begins"),
        ("/flows?after=x", "begin at the first page"),
    ):
        answer = client.get(path)
        assert answer.status_code == 422, path
        assert said in Markup(answer.text).unescape(), path
        told = client.get(f"/api{path}" if "resources" not in path else "/api/resources/smoke")
        assert told.status_code == 422
        assert said in told.json()["detail"]


def test_numbers_are_for_people() -> None:
    assert [amount(size) for size in (0, 999, 1000, 392_197, 5e9)] == ["0 B", "999 B", "1.0 kB", "392.2 kB", "5.0 GB"]
    assert [count(number) for number in (None, 0, 1234567, 1.5)] == ["", "0", "1,234,567", "1.5"]
    assert [lasting(seconds) for seconds in (0.001, 1.5, 600, 36000)] == ["1 ms", "1.5 s", "10 min", "10.0 h"]
    assert short("a" * 200, 10) == Markup('<span title="{}">aaaaaaaaa…</span>').format("a" * 200)
    assert query({"a": "", "b": "1 2", "c": None, "d": 0}) == "?b=1+2"
    assert Span.__struct_fields__[:2] == ("begin", "end")
