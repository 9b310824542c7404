"""Bands for checks: kept, bounded, the same when learned again."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tapline.policy.model import Method
from topics.records import Stored
from workers.thresholds import anomalies
from workers.thresholds.anomalies import Bands
from workers.windows.store import StageStore

METHODS: tuple[Method, ...] = ("ewma", "double_exponential", "holt_winters", "rsi", "z_score", "iqr")


def made(stored: dict[tuple[str, str], str] | None = None) -> tuple[Bands, StageStore, set[Any]]:
    stores = StageStore()
    stores.load(Stored(stage="s", owner=owner, key=key, value=value) for (owner, key), value in (stored or {}).items())
    changed: set[Any] = set()
    stores.point(changed)
    return Bands(stores.of("bands")), stores, changed


@pytest.mark.parametrize("method", METHODS)
def test_bands_go_on_after_a_restart_as_if_there_had_been_none(method: Method) -> None:
    dice = random.Random(2)
    values = [dice.gauss(1000, 50) for _ in range(60)]
    season = 5 if method == "holt_winters" else 0
    whole, _, _ = made()
    expected = []
    for value in values:
        expected.append(whole.learn("live", "h", "bytes", value, method, 2.0, season, 6))
        whole.finish()
    stored: dict[tuple[str, str], str] = {}
    for number, value in enumerate(values):
        bands, stores, changed = made(stored)
        assert bands.learn("live", "h", "bytes", value, method, 2.0, season, 6) == expected[number]
        bands.finish()
        stored |= {place: stores.of(place[0]).text(place[1]) for place in changed}
    assert expected[0].learning
    assert not expected[-1].learning


def test_what_is_not_finished_is_not_kept() -> None:
    bands, _, changed = made()
    bands.learn("live", "h", "bytes", 1.0)
    assert not changed
    bands.finish()
    assert changed


def test_entities_metrics_and_streams_are_learned_apart() -> None:
    bands, _, _ = made()
    for number in range(30):
        bands.learn("live", "a", "bytes", 100 + number % 3, learn_periods=5)
        bands.learn("live", "b", "bytes", 9000 + number % 3, learn_periods=5)
    assert not bands.learn("live", "b", "bytes", 9000, learn_periods=5).left
    assert bands.learn("live", "a", "bytes", 9000, learn_periods=5).left
    assert bands.learn("live", "a", "packets", 9000, learn_periods=5).learning
    assert bands.learn("file-1", "a", "bytes", 9000, learn_periods=5).learning
    bands.forget("live")
    assert bands.learn("live", "a", "bytes", 9000, learn_periods=5).learning


def test_a_window_writes_pieces_and_not_each_band() -> None:
    bands, _, changed = made()
    for host in range(1000):
        bands.learn("live", f"h{host}", "bytes", 1.0)
    bands.finish()
    assert len(changed) < 20


def test_there_is_an_end_to_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomalies, "MOST_ENTITIES", 2)
    monkeypatch.setattr(anomalies, "FORGET", 3)
    bands, _, _ = made()
    bands.learn("live", "a", "bytes", 1.0)
    bands.learn("live", "b", "bytes", 1.0)
    bands.finish()
    for _ in range(5):
        # There is no room until one has not been learned for long enough.
        assert bands.learn("live", "c", "bytes", 1.0, learn_periods=2).learning
        bands.learn("live", "b", "bytes", 1.0)
        bands.finish()
    assert {place.split("\x00")[1] for place in bands._rows} == {"b", "c"}


def test_a_season_is_needed_where_one_is_learned() -> None:
    bands, _, _ = made()
    with pytest.raises(ValueError, match="season"):
        bands.learn("live", "a", "bytes", 1.0, "holt_winters")
