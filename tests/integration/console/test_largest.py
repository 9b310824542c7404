"""The largest keys of very many counters, of a real Elasticsearch: chosen by a sample, added up exactly."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.data import counters
from console.data.span import Span
from console.data.store import Store
from exporters.elasticsearch.connection import client
from exporters.elasticsearch.documents import encode_document, index_name
from exporters.elasticsearch.settings import ElasticsearchSettings
from exporters.elasticsearch.setup import setup
from topics.catalog import COUNTER
from topics.records import Metric

BEGIN = 1_700_000_040
WINDOWS = 40
HOSTS = 300
BURST = "burst"
"""A host that sends nearly all it sends in one window, of which a sample most likely knows nothing."""


@pytest.fixture(scope="module")
def store(elasticsearch: str) -> Iterator[Store]:
    namespace = f"t{uuid.uuid4().hex[:12]}"
    settings = ElasticsearchSettings(hosts=[elasticsearch], namespace=namespace)
    server = client(settings)
    setup(server, settings)
    lines: list[Any] = []
    for number in range(WINDOWS):
        window = BEGIN + 60 * number
        for key, size in sizes(number).items():
            record = Metric(
                id=f"{key}-{window}",
                time=window * 1_000_000,
                group="Hosts",
                key=key,
                meters={"bytes": size, "packets": 2, "new_flows": 1},
                window=window,
            )
            lines += [{"create": {}}, encode_document(COUNTER, record, "live", window, namespace)]
    answer = server.bulk(index=index_name(COUNTER.kind, namespace), operations=lines, refresh=True)
    assert not answer["errors"]
    server.close()
    made = Store(settings, 30.0)
    made.start()
    yield made
    made.close()


def sizes(number: int) -> dict[str, int]:
    """The bytes of every host in a window."""
    found = {f"10.0.{host >> 8}.{host & 255}": 1_000_000 // (host + 1) for host in range(HOSTS)}
    return found | ({BURST: 90_000_000} if number == 7 else {})


def span() -> Span:
    begin = datetime.fromtimestamp(BEGIN, UTC)
    return Span(begin, begin + timedelta(minutes=WINDOWS))


def test_a_sample_tells_what_adding_up_all_does(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = counters.largest(store, "Hosts", span(), 20)
    assert not exact.sampled
    assert exact.keys[0].key == BURST
    assert (exact.keys[1].bytes, exact.keys[1].packets, exact.keys[1].flows) == (
        1_000_000 * WINDOWS,
        2 * WINDOWS,
        WINDOWS,
    )

    monkeypatch.setattr(counters, "MOST_EXACT", WINDOWS * HOSTS // 2)
    monkeypatch.setattr(counters, "_SAMPLED", WINDOWS * HOSTS // 2)
    monkeypatch.setattr(counters, "_SPARE", 100)
    monkeypatch.setattr(counters, "_BURSTS", 5)
    found = counters.largest(store, "Hosts", span(), 20)
    assert found.sampled
    assert found.keys == exact.keys


def test_few_counters_are_added_up_as_they_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST_EXACT", 2 * WINDOWS)
    one = ({"term": {"tapline.counter.key": "10.0.0.5"}},)
    found = counters.largest(store, "Hosts", span(), 20, one)
    assert not found.sampled
    assert [each.key for each in found.keys] == ["10.0.0.5"]
