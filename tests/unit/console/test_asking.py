"""What is asked of Elasticsearch, and what becomes of the answers."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from console.data.counters import MOST_EXACT
from console.data.flow_filter import FlowFilter
from console.data.hosts import _searched
from console.data.kibana import discover
from console.data.pipeline import Conservation
from console.data.shared_answers import KEPT_SECONDS, SharedAnswers
from console.data.span import RANGES, Span, span_of
from console.errors import Mistake
from exporters.kibana.settings import KibanaSettings
from tests.unit.console.lab import NOTHING, Lab

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_a_range_ends_now_or_with_the_newest_record() -> None:
    live = span_of("1h", "", "", NOW - timedelta(minutes=2), NOW)
    assert (live.begin, live.end, live.behind) == (NOW - timedelta(hours=1), NOW, False)
    newest = NOW - timedelta(days=8)
    old = span_of("24h", "", "", newest, NOW)
    assert (old.end, old.behind) == (newest + timedelta(minutes=1), True)
    assert old.seconds == 86_400
    assert span_of("", "", "", None, NOW).name == "1h"


def test_times_may_have_a_zone() -> None:
    span = span_of("", "2026-11-21T10:00:00+01:00", "2026-11-21T09:30", None, NOW)
    assert span.begin == datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    assert span.over()["range"]["@timestamp"] == {"gte": "2026-11-21T09:00:00.000Z", "lt": "2026-11-21T09:30:00.000Z"}


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
@quick
def test_no_time_makes_more_than_a_mistake(name: str, begin: str, end: str) -> None:
    try:
        span = span_of(name, begin, end, None, NOW)
    except Mistake:
        return
    assert span.begin < span.end


@given(st.integers(60, 10 * 366 * 86_400))
@quick
def test_a_chart_has_no_more_points_than_one_can_see(seconds: int) -> None:
    span = Span(NOW - timedelta(seconds=seconds), NOW)
    assert span.step % 60 == 0
    assert seconds / span.step <= 120 or span.step == 86_400


def test_what_people_know_of_flows() -> None:
    asked = FlowFilter.model_validate(
        {"address": "10.20.0.0/16", "port": "443", "application": "TLS*", "country": "de", "score": "", "tag": "vpn"}
    )
    assert asked.queries() == [
        {
            "bool": {
                "should": [{"term": {"source.ip": "10.20.0.0/16"}}, {"term": {"destination.ip": "10.20.0.0/16"}}],
                "minimum_should_match": 1,
            }
        },
        {
            "bool": {
                "should": [{"term": {"source.port": 443}}, {"term": {"destination.port": 443}}],
                "minimum_should_match": 1,
            }
        },
        {"wildcard": {"tapline.flow.application": {"value": "TLS*"}}},
        {
            "bool": {
                "should": [
                    {"term": {"source.geo.country_iso_code": "DE"}},
                    {"term": {"destination.geo.country_iso_code": "DE"}},
                ],
                "minimum_should_match": 1,
            }
        },
        {"term": {"tags": "vpn"}},
    ]
    assert asked.kql() == (
        '(source.ip: "10.20.0.0/16" or destination.ip: "10.20.0.0/16") and (source.port: 443 or destination.port: 443)'
        " and tapline.flow.application: TLS*"
        ' and (source.geo.country_iso_code: "DE" or destination.geo.country_iso_code: "DE") and tags: "vpn"'
    )


@given(st.sampled_from(["address", "source", "port", "country", "score", "transport"]), st.text(max_size=80))
@quick
def test_what_cannot_be_asked_is_told(name: str, value: str) -> None:
    try:
        asked = FlowFilter.model_validate({name: value})
    except ValidationError as error:
        found = [each["loc"] for each in error.errors()]
    else:
        found = [(name,)]
        assert bool(asked.queries()) == bool(asked.kql())
    assert found == [(name,)]


def test_kibana_asks_the_same() -> None:
    asked = FlowFilter(tag="it's!", application="A b*")
    link = discover(KibanaSettings(url="https://k.example.org/", space="net"), asked, Span(NOW, NOW))
    assert link.startswith("https://k.example.org/s/net/app/discover#/?_g=")
    state = unquote(link)
    assert "index:'tapline-flow'" in state
    assert "from:'2026-11-29T12:00:00.000Z'" in state
    assert "tapline.flow.application: A\\ b* and tags: \"it!'s!!\"'" in state
    assert discover(KibanaSettings(), asked, Span(NOW, NOW)) == ""


@given(st.ip_addresses(v=4), st.integers(8, 32), st.ip_addresses(v=4))
@quick
def test_hosts_are_found_by_network(address: Any, length: int, other: Any) -> None:
    """As Elasticsearch would: by the text of the key."""
    network = ip_network(f"{address}/{length}", strict=False)
    query = _searched(str(network))
    for each in (address, other, network.broadcast_address):
        assert _fits(query, str(each)) == (ip_address(str(each)) in network)


def _fits(query: dict[str, Any], key: str) -> bool:
    if "bool" in query:
        return any(_fits(each, key) for each in query["bool"]["should"])
    if "term" in query:
        return bool(key == query["term"]["tapline.counter.key"])
    return key.startswith(query["prefix"]["tapline.counter.key"])


def flow(number: int) -> dict[str, Any]:
    return {
        "_source": {
            "@timestamp": "2026-11-21T09:00:00.000001Z",
            "event": {"id": str(number), "duration": 1_500_000_000},
            "source": {"ip": "192.0.2.1", "port": 1, "bytes": 10},
            "destination": {"ip": "192.0.2.2", "port": 2, "bytes": 20, "domain": "=cmd()"},
            "tapline": {"flow": {"id": f"f{number}", "record": "final", "application": 'a,"b"\n'}},
        },
        "sort": ["t", str(number)],
    }


def test_a_page_of_flows_says_where_the_next_begins(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.store.answer = lambda _what, question: {
        "hits": {
            "hits": [flow(number) for number in range(question["size"])],
            "total": {"value": 10_000, "relation": "gte"},
        }
    }
    client = lab.client("viewer")
    first = client.get("/api/flows", params={"range": "24h", "size": 3}).json()
    assert [each["flow"] for each in first["flows"]] == ["f0", "f1", "f2"]
    assert first["more_than_counted"] is True
    client.get("/api/flows", params={"size": 3, "after": first["after"]})
    assert lab.store.asked[-1]["search_after"] == ["t", "2"]
    page = client.get("/flows").text
    assert "more than 10,000" in page
    assert 'rel="next"' in page


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_has_them_all(form: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    numbers = iter(range(7))

    def answer(_what: str, question: dict[str, Any]) -> dict[str, Any]:
        if "pit" not in question:
            return NOTHING
        hits = [flow(number) for number in [next(numbers, None) for _ in range(3)] if number is not None]
        return {"hits": {"hits": hits}, "pit_id": "new"}

    lab.store.answer = answer
    answered = lab.client("viewer").get("/api/flows/export", params={"format": form, "from": "2026-01-01"})
    assert (
        answered.headers["content-disposition"]
        == f'attachment; filename="flows.{"csv" if form == "csv" else "ndjson"}"'
    )
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(answered.text, newline="")))
        assert [row["flow"] for row in rows] == [f"f{number}" for number in range(7)]
        assert rows[0]["application"] == 'a,"b"\n'
        assert rows[0]["destination_domain"] == "'=cmd()", "no spreadsheet takes it for a formula"
    else:
        found = [json.loads(line) for line in answered.text.splitlines()]
        assert [each["flow"] for each in found] == [f"f{number}" for number in range(7)]
        assert found[0]["destination"]["domain"] == "=cmd()"
    assert lab.store.asked[-1] == {"id": "new"}, "the point in time is given back"


def test_every_range_can_be_chosen(tmp_path: Path) -> None:
    client = Lab(tmp_path).client("viewer")
    for name in RANGES:
        assert f'<option value="{name}" selected>' in client.get(f"/?range={name}").text


def test_what_takes_long_is_shown_as_it_was_and_says_so(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    now = [0.0]
    lab.store._answers = SharedAnswers(10, lambda: now[0])

    def slow(_what: str, question: dict[str, Any]) -> dict[str, Any]:
        if "it" in question.get("aggs", {}):
            now[0] = max(now[0], 1.0)
        return NOTHING

    lab.store.answer = slow
    client = lab.client("viewer")
    first = client.get("/api/overview?range=24h").json()["period"]
    now[0] += 6.0
    assert client.get("/api/overview?range=24h").json()["period"] == first
    page = client.get("/?range=24h").text
    written = datetime.fromisoformat(first["asked"]).strftime("%Y-%m-%d %H:%M:%S UTC")
    assert re.search(rf"as known at <time[^>]*>{written}", page)
    now[0] += KEPT_SECONDS
    assert client.get("/api/overview?range=24h").json()["period"]["asked"] > first["asked"]


def test_a_page_says_when_a_sample_chose_what_is_on_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    def answer(_what: str, question: dict[str, Any]) -> dict[str, Any]:
        hits = {"hits": [], "total": {"value": counted, "relation": "eq"}}
        over_time = "date_histogram" in question.get("aggs", {}).get("it", {})
        return {"hits": hits, "aggregations": {"it": {"buckets": [] if over_time else [bucket("192.0.2.1")]}}}

    lab.store.answer = answer
    client = lab.client("viewer")
    for counted, span in ((MOST_EXACT, "6h"), (MOST_EXACT + 1, "24h")):
        sampled = counted > MOST_EXACT
        for path in ("/api/hosts", "/api/overview"):
            assert client.get(f"{path}?range={span}").json()["sampled"] is sampled
        for path in ("/hosts", "/"):
            assert ("a sample says which hosts are the largest" in client.get(f"{path}?range={span}").text) is sampled


def bucket(key: str) -> dict[str, Any]:
    meters = ("bytes", "packets", "flows", "most", *Conservation.model_fields, "new_flows")
    return {"key": key, "doc_count": 1} | {meter: {"value": 1} for meter in meters}
