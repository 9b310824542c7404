"""Events as shippers put them into Kafka."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.eve.messages import MessageLines, event_in
from capture.open import open_capture
from capture.settings import CaptureSettings
from capture.source import observe_live
from tests.unit.capture_eve.made import BEGAN, anomaly
from tests.unit.capture_netflow.made import Taken
from topics.errors import TaplineError

NOW = (BEGAN + 60) * 1_000_000
EVENT = anomaly(5).strip()
FILEBEAT = {
    "@timestamp": "2026-06-01T12:00:00.000Z", "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.19.0"},
    "log": {"offset": 0, "file": {"path": "/var/log/suricata/eve.json"}}, "input": {"type": "log"},
    "host": {"name": "sensor"}, "agent": {"type": "filebeat"}, "ecs": {"version": "8.0.0"},
}  # fmt: skip


def take(*messages: bytes | None, partition: int = 2, first: int = 7) -> Taken:
    """What becomes of messages that follow one another in a partition."""
    sink = Taken()
    observation = observe_live("node", "eve:kafka:suricata", NOW)
    intake = MessageLines(observation, sink, "suricata", NOW)
    intake.at(NOW)
    for offset, message in enumerate(messages, first):
        intake.take(message, partition, offset)
    intake.finish()
    return sink


def whole(event: bytes) -> Any:
    return json.loads(event)


@pytest.mark.parametrize(
    ("message", "sensor"),
    [
        (whole(EVENT), ""),
        (FILEBEAT | {"message": EVENT.decode()}, "sensor"),
        (FILEBEAT | {"message": EVENT.decode() + "\n"}, "sensor"),
        (FILEBEAT | {"event": {"original": EVENT.decode()}}, "sensor"),
        (FILEBEAT | {"suricata": {"eve": whole(EVENT)}, "event": {"kind": "event"}}, "sensor"),
        (FILEBEAT | whole(EVENT), "sensor"),
        ({"file": "/var/log/suricata/eve.json", "host": "sensor", "message": EVENT.decode(), "source_type": "file",
          "timestamp": "2026-06-01T12:00:00Z"}, "sensor"),
    ],
    ids=["bare", "message", "line", "original", "module", "under-root", "vector"],
)  # fmt: skip
def test_the_event_in_a_message(message: dict[str, Any], sensor: str) -> None:
    line, told = event_in(json.dumps(message).encode())
    event = whole(line)
    assert whole(EVENT).items() <= event.items()
    assert "host" not in event
    assert told == sensor
    assert take(json.dumps(message).encode()).counts["used"] == 1


def test_a_message_that_has_none_says_what_is_wrong() -> None:
    sink = take(
        None, b"{", b"[]", b"7", b"{}", b'{"message":7}', b'{"message":"hello"}', b'{"suricata":{"eve":[]}}',
        b'{"event_type":"flow","host":{"name":[]}}',
    )  # fmt: skip
    assert sink.family("rejected.") == {"eve-json": 3, "eve-type": 6}
    assert [letter.offset for letter in sink.letters] == list(range(7, 16))
    assert len({letter.id for letter in sink.letters}) == 9


def test_records_are_named_after_their_place_in_kafka() -> None:
    def names(partition: int = 2, first: int = 7) -> list[str]:
        sink = take(anomaly(1), b"{", anomaly(2), partition=partition, first=first)
        return [put.record.id[:32] for put in sink.put_all]

    assert names() == names()
    assert names(first=8)[:2] == names()[1:]
    assert not set(names()) & set(names(partition=1))


def test_what_does_not_follow_one_another_keeps_its_place() -> None:
    sink = Taken()
    intake = MessageLines(observe_live("node", "eve:kafka:suricata", NOW), sink, "suricata", NOW)
    intake.at(NOW)
    for partition, offset in ((0, 0), (0, 1), (1, 0), (0, 2), (0, 9)):
        intake.take(b"{", partition, offset)
    assert not [letter for letter in sink.letters if letter.offset == 9]
    intake.flush()
    intake.flush()
    assert [letter.offset for letter in sink.letters] == [0, 1, 0, 2, 9]
    assert len({letter.id for letter in sink.letters}) == 5


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["event_type", "message", "suricata", "event", "host", "timestamp", "@timestamp"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5) | st.just(EVENT.decode()) | st.just(whole(EVENT)),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["eve", "original", "name"]), inner, max_size=2)
            ),
            max_leaves=5,
        ),
    )
    | st.text(max_size=10)
)
def test_whatever_stands_in_a_message_is_used_or_rejected(message: Any) -> None:
    sink = take(json.dumps(message).encode(), anomaly(1))
    assert sink.counts["used"] >= 1
    assert sink.counts["used"] + sum(sink.family("rejected.").values()) == sink.counts["lines"] == 2


def test_names_that_are_no_source() -> None:
    with pytest.raises(TaplineError, match="eve:kafka: names no topic"):
        open_capture("eve:kafka:", CaptureSettings())
    with pytest.raises(TaplineError, match="use `tapline capture eve:kafka:suricata`"):
        open_capture("eve:kafka:suricata", CaptureSettings())
