"""What Suricata leaves to chance makes no difference to the records."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.eve.decoder import EveDecoder
from capture.source import observe_file, window_of
from capture.suricata.ordering import EventFile
from topics.records import Document, Flow, Record

ENDS = {"src_ip": "192.0.2.1", "src_port": 40_000, "dest_ip": "198.51.100.2", "dest_port": 443, "proto": "TCP"}
OBSERVATION = observe_file("node", "file.pcap", "ab" * 32)


def text(second: int) -> str:
    return f"2026-06-01T12:{second // 60:02d}:{second % 60:02d}.000000+0000"


def event(kind: str, time: int, number: int, **more: Any) -> dict[str, Any]:
    return {
        "timestamp": text(time),
        "flow_id": number,
        "event_type": kind,
        "community_id": f"1:{number}",
        **ENDS,
        **more,
    }


def flow_end(flow: int, start: int, end: int, told: int, reason: str = "timeout", state: str = "new") -> dict[str, Any]:
    body = {"start": text(start), "end": text(end), "pkts_toserver": 1, "state": state, "reason": reason}
    return event("flow", told, flow, flow=body)


def written(folder: Path, events: list[dict[str, Any]]) -> Path:
    path = folder / "eve.json"
    path.write_text("".join(json.dumps(each, separators=(",", ":")) + "\n" for each in events))
    return path


def records(path: Path) -> list[tuple[int, Record]]:
    decoder = EveDecoder(OBSERVATION, texts=True, joined=True)
    file = EventFile(path, OBSERVATION)
    try:
        return [
            (window, record)
            for window in file.windows
            for time, identity, line, reason in file.events(window)
            for _, _, record in decoder.decode(line, "suricata", identity, time, reason)
        ]
    finally:
        file.close()


def test_what_is_told_of_a_flow_after_its_end_is_dated_by_the_flow(tmp_path: Path) -> None:
    events = [event("anomaly", 200, 7, anomaly={"type": "applayer"}), flow_end(7, 10, 20, 210)]
    found = records(written(tmp_path, events))
    assert [window for window, _ in found] == [window_of(1_780_315_200_000_000)] * 2
    assert {record.time for _, record in found} == {1_780_315_220_000_000}


def test_how_a_flow_ended_follows_from_the_file(tmp_path: Path) -> None:
    """Suricata says ``shutdown`` of any flow whose silence its own thread had not noticed yet."""
    for reason in ("timeout", "shutdown"):
        events = [
            flow_end(1, 0, 10, 100, reason),
            flow_end(2, 0, 30, 100, reason, state="established"),
            event("anomaly", 100, 3, anomaly={}),
        ]
        found = [record for _, record in records(written(tmp_path, events)) if isinstance(record, Flow)]
        assert [flow.end_reason for flow in found] == ["idle", "forced"]


def test_no_events_are_no_records(tmp_path: Path) -> None:
    assert records(written(tmp_path, [])) == []


def test_counters_stand_apart(tmp_path: Path) -> None:
    path = written(tmp_path, [{"timestamp": text(0), "event_type": "stats", "stats": {"decoder": {"pkts": 3}}}])
    file = EventFile(path, OBSERVATION)
    assert (file.windows, len(file.statistics)) == ([], 1)
    file.close()


EVENTS = st.lists(
    st.tuples(st.sampled_from(["anomaly", "dhcp"]), st.integers(0, 300), st.integers(1, 4), st.integers(0, 2)),
    max_size=15,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS, st.randoms(use_true_random=False))
def test_order_and_numbers_make_no_difference(drawn: list[tuple[str, int, int, int]], chance: random.Random) -> None:
    def all_events(numbers: dict[int, int]) -> list[dict[str, Any]]:
        told = [
            event(kind, time, numbers[flow], community_id=f"1:{flow}", pcap_cnt=0, body=body)
            for kind, time, flow, body in drawn
        ]
        ends = [flow_end(numbers[flow], 0, 50 * flow, 400) | {"community_id": f"1:{flow}"} for flow in range(1, 5)]
        return [*told, *ends]

    def readable(found: list[tuple[int, Record]]) -> list[tuple[int, Record]]:
        assert len({record.id for _, record in found}) == len(found)
        return found

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = readable(records(written(folder, all_events({flow: flow for flow in range(1, 5)}))))
        events = all_events(dict(zip(range(1, 5), chance.sample(range(1, 1 << 50), 4), strict=True)))
        told, ends = events[: len(drawn)], events[len(drawn) :]
        chance.shuffle(told)
        chance.shuffle(ends)
        assert readable(records(written(folder, told + ends))) == first
        assert sum(isinstance(record, Document) for _, record in first) == len(drawn)
