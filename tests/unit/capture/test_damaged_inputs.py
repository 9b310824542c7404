"""Damaged inputs of every kind, some hundreds of each: `make fuzz` feeds a million."""

from __future__ import annotations

import pytest

from bench.fuzz import run
from bench.fuzz_netflow import SHARED
from bench.fuzz_targets import TARGETS, Target

with_inputs = pytest.mark.skipif(
    not (SHARED / "telemetry").is_dir(), reason=f"there is nothing to damage: {SHARED / 'telemetry'} is not there"
)


@with_inputs
@pytest.mark.parametrize("kind", TARGETS, ids=lambda kind: kind.__name__)
def test_what_is_damaged_becomes_records_or_is_rejected_by_its_reason(kind: type[Target]) -> None:
    target = run(kind, 600, seed=7)
    assert target.fed >= 600
    assert any(counter.startswith(("rejected.", "ignored.")) for counter in target.sink.counts)
    assert target.sink.records


@with_inputs
def test_the_same_seed_makes_the_same_inputs() -> None:
    first, second = (run(kind, 300, seed=3) for kind in TARGETS[:1] * 2)
    assert first.sink.counts == second.sink.counts
