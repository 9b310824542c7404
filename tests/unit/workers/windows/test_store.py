"""What scripts keep: its limits, and that it is exact from whatever commit point a stage starts again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from textwrap import dedent

import pytest

from tests.integration.workers.stream import MadeStream
from topics.catalog import CATALOG, FLOW, STORE
from topics.codec import open_message
from topics.records import Stored
from workers.environment import Environment
from workers.pipeline import Pipeline
from workers.scripting.scripts import load_files
from workers.settings import WorkersSettings
from workers.stages import build
from workers.windows.ledger import CommitPoint, known_offset
from workers.windows.stage import Step
from workers.windows.store import TOTAL_LIMIT, VALUE_LIMIT, StageStore, newest

COUNTING = """
    from tapline import SessionMonitor
    class Counting(SessionMonitor):
        def on_new_flow(self, flow):
            self.store[flow.source_ip] = self.store.get(flow.source_ip, 0) + 1
            if "first" not in self.store:
                self.store["first"] = flow.flow_id
                self.alert("first", flow, flow.flow_id)
        def on_end_flush(self, window):
            self.store["windows"] = [*self.store.get("windows", []), window]
"""


def load(folder: Path, text: str) -> Environment:
    path = folder / "it.py"
    path.write_text(dedent(text), encoding="utf-8")
    return Environment(
        WorkersSettings(scripts=[]), load_files([path], {}), {topic.kind: topic.partitions or 1 for topic in CATALOG}
    )


def stored(step: Step) -> list[Stored]:
    found: list[Stored] = []
    for out in step.outgoing:
        if out.topic is STORE:
            _, records = open_message(out.envelope.headers(), out.body, STORE)
            assert out.key == f"{records[0].stage}\x00{records[0].owner}\x00{records[0].key}".encode()
            found += records
    return found


def values(records: list[Stored]) -> dict[str, object]:
    return {record.key: json.loads(record.value) for record in records}


def test_a_stage_that_starts_again_at_any_commit_point_ends_with_the_same_values_and_alerts(tmp_path: Path) -> None:
    environment = load(tmp_path, COUNTING)
    made = MadeStream(windows=4, flows=60, nodes=2, partitions=1)
    messages = [(envelope, body) for topic, _, envelope, body in made.messages() if topic is FLOW]

    def run(
        point: CommitPoint | None, kept: list[Stored]
    ) -> tuple[list[CommitPoint], list[Stored], set[tuple[int, int, bytes]]]:
        """Read from a commit point, as a worker would that knows what the store topic holds by now."""
        stage = build(FLOW, 0, environment)
        known = known_offset(point.metadata, point.offset) if point else -1
        stage.start(point.metadata if point else "", newest(kept, known))
        points, written, alerts = [], [], set()
        for offset, (envelope, body) in enumerate(messages):
            if point and offset < point.offset:
                continue
            step = stage.message(offset, envelope.headers(), body)
            written += stored(step)
            for out in step.outgoing:
                if out.topic.kind == "alert" and not out.envelope.is_snapshot:
                    alerts.add((out.envelope.window, out.envelope.sequence, out.body))
            if step.point is not None:
                points.append(step.point)
        stage.stop()
        return points, written, alerts

    points, written, alerts = run(None, [])
    truth: Counter[str] = Counter()
    for envelope, body in messages:
        if not envelope.is_snapshot:
            truth.update(flow.source_ip for flow in open_message(envelope.headers(), body, FLOW)[1])
    whole = values(newest(written, len(messages)))
    assert {key: value for key, value in whole.items() if "." in key} == dict(truth)
    assert whole["windows"] == made.windows
    assert len(points) == 4
    assert len(alerts) == 1
    for point in points:
        # Whatever was published after the point before the worker died is in the topic as well.
        _, again, more = run(point, written)
        assert values(newest(written + again, len(messages))) == whole
        assert more <= alerts


def test_values_written_by_windows_that_the_commit_point_does_not_know_are_not_taken() -> None:
    def record(key: str, value: str, offset: int) -> Stored:
        return Stored(stage="~flow/0", owner="script/X", key=key, value=value, offset=offset)

    log = [record("a", "1", 10), record("b", "1", 10), record("a", "2", 20), record("b", "", 20), record("c", "3", 30)]
    assert values(newest(log, 10)) == {"a": 1, "b": 1}
    assert values(newest(log, 25)) == {"a": 2}
    assert values(newest([*log, record("a", "1", 10)], 30)) == {"a": 2, "c": 3}, "a straggler changes nothing"


def test_a_store_is_read_and_written_as_a_mapping_of_copies() -> None:
    stores = StageStore()
    store = stores.of_script("X")
    changed: set[tuple[str, str]] = set()
    stores.point(changed)
    store["list"] = [1, {"a": None}]
    store["list"].append(2)
    assert store["list"] == [1, {"a": None}]
    assert stores.of_script("X") is store
    assert "list" in stores.of_script("X")
    assert "list" not in stores.of_script("Y")
    assert "list" not in stores.of("X")
    del store["list"]
    assert store.get("list", 5) == 5
    with pytest.raises(KeyError):
        del store["list"]
    assert changed == {("script/X", "list")}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({1, 2}, "JSON cannot hold the value.*set"),
        (float("nan"), "JSON cannot hold the value"),
        (b"x", "JSON cannot hold the value.*bytes"),
        ("x" * VALUE_LIMIT, "too many for one value"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(value: object, said: str) -> None:
    stores = StageStore()
    stores.point(set())
    store = stores.of_script("X")
    store["k"] = 1
    with pytest.raises((TypeError, ValueError), match=rf"store\['k'\]: .*{said}|store\['k'\].*{said}"):
        store["k"] = value
    assert store["k"] == 1
    with pytest.raises(TypeError, match="a key must be text"):
        store[3] = 1  # type: ignore[index]


def test_a_script_keeps_so_much_and_can_make_room() -> None:
    stores = StageStore()
    stores.point(set())
    store = stores.of_script("X")
    part = "x" * (VALUE_LIMIT - 100)
    for number in range(TOTAL_LIMIT // VALUE_LIMIT):
        store[str(number)] = part
    with pytest.raises(ValueError, match="delete what is not needed"):
        store["more"] = part
    store["0"] = part[:-1]
    del store["0"]
    store["more"] = part
    again = StageStore()
    again.load([Stored(stage="s", owner="script/X", key=key, value=store.text(key)) for key in store])
    again.point(set())
    with pytest.raises(ValueError, match="delete what is not needed"):
        again.of_script("X")["0"] = part


def test_errors_of_a_store_are_the_scripts(tmp_path: Path) -> None:
    path = tmp_path / "it.py"
    path.write_text(
        dedent(
            """
            from tapline import SessionMonitor
            class Early(SessionMonitor):
                def on_load(self):
                    assert dict(self.store) == {}
                    self.store["a"] = 1
            class Aside(SessionMonitor):
                def on_begin_flush(self, window): self.run_async(lambda: self.store)
            """
        ),
        encoding="utf-8",
    )
    with Pipeline(load_files([path], {}), 1) as pipeline:
        pipeline.feed(MadeStream(windows=1, flows=1, nodes=1, partitions=1).messages())
    said = {(error.script, str(error.error)) for error in pipeline.errors}
    assert said == {
        ("Early", "a script can change its store only in the hooks of a window"),
        ("Aside", "work given to run_async cannot use the store: pass it what it needs"),
    }
