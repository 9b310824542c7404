"""What windows that close show to Prometheus."""

from __future__ import annotations

from prometheus_client import REGISTRY

from tests.unit.workers.windows.test_windows import W1, W2, flow, flows, markers
from workers.pipeline import Message, Pipeline


def fed(messages: list[Message]) -> dict[str, float]:
    """By how many records the windows of the flow topic differ from what was announced of them."""

    def counts() -> dict[str, float]:
        return {
            kind: REGISTRY.get_sample_value(
                "tapline_worker_conservation_records_total", {"topic": "flow", "difference": kind}
            )
            or 0.0
            for kind in ("missing", "unannounced", "duplicate", "late")
        }

    before = counts()
    with Pipeline() as pipeline:
        pipeline.feed(messages)
        assert last_window() == W2
    after = counts()
    return {kind: after[kind] - before[kind] for kind in after if after[kind] != before[kind]}


def last_window() -> float | None:
    return REGISTRY.get_sample_value("tapline_worker_live_window", {"topic": "flow", "partition": "0"})


def test_differences_are_counted_by_their_kind() -> None:
    whole = [flows("a", W1, 0, flow("a1", 1.0)), *markers("a", W1, 1), *markers("a", W2, final=True)]
    assert fed(whole) == {}
    assert fed([flows("a", W1, 0, flow("a1", 1.0)), *markers("a", W1, 3), *markers("a", W2, final=True)]) == {
        "missing": 2
    }
    assert fed([flows("a", W1, 0, flow("a1", 1.0)), *markers("a", W1, 0), *markers("a", W2, final=True)]) == {
        "unannounced": 1
    }
    twice = flows("a", W1, 0, flow("a1", 1.0))
    assert fed([twice, twice, *markers("a", W1, 1), *markers("a", W2, final=True)]) == {"duplicate": 1}


def test_the_last_window_is_shown_as_long_as_the_partition_is_here() -> None:
    fed([*markers("a", W1), *markers("a", W2, final=True)])
    assert last_window() is None
