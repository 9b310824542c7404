"""What scripts emit that could not be published is their error, and costs nobody else anything."""
# ruff: noqa: ARG005 - what each emits is given the script and a flow

from __future__ import annotations

from typing import Any

import pytest

from tapline import AlertGroup, CounterGroup, Meter, SessionMonitor
from tests.unit.workers.made import FIRST_WINDOW, messages, scripts
from topics.catalog import DOCUMENT, FLOW
from topics.codec import decode
from topics.records import Document, Flow, Metric
from workers.pipeline import Pipeline
from workers.windows import outbox
from workers.windows.outbox import Outbox

FLOWS = {FIRST_WINDOW: [Flow(id="1", time=FIRST_WINDOW * 1_000_000, flow_id="1", community_id="1:1")]}


ALERTS = AlertGroup("Mine")
COUNTERS = CounterGroup("Mine", (Meter("n"),))


class Good(SessionMonitor):
    def on_new_flow(self, flow: Flow) -> None:
        self.alert("good", flow, "this one is fine")


@pytest.mark.parametrize(
    ("message", "value", "said"),
    [
        (123, 0.0, "message has to be a text, not int 123"),
        ("\ud800", 0.0, "this alert cannot be published: "),
        ("text", object(), "value has to be a finite number, not object <object"),
        ("text", float("nan"), "value has to be a finite number, not float nan"),
        ("x" * 1_000_001, 0.0, "this alert is too large: 1,000,"),
    ],
)
def test_a_record_that_cannot_be_published_is_an_error_where_it_is_made(message: Any, value: Any, said: str) -> None:
    class Bad(SessionMonitor):
        def on_new_flow(self, flow: Flow) -> None:
            self.alert("bad", flow, message, value=value)

    pipeline = Pipeline(scripts(Bad, Good))
    pipeline.feed(messages(FLOW, FLOWS))
    assert [error.script for error in pipeline.errors] == ["Bad"]
    assert str(pipeline.errors[0].error).startswith(said)
    assert [alert.type for alert in pipeline.published["alert"]] == ["good"]


COUNTED = Metric(id="1", time=0, group="Hosts", key="a", meters={})
ABOUT = "about has to be a Flow, Metric, Resource, Document or Alert, or None, not "
SEVERITY = "severity has to be a whole number from 1 to 8 (1 debug, 8 emergency), not "
PRIORITY = "priority has to be a whole number from 1 to 3 (1 high, 3 low), not "
COUNTER_GROUP = "group has to be a name, a GUID or a CounterGroup, not "


@pytest.mark.parametrize(
    ("emit", "said"),
    [
        (lambda it, flow: it.alert("t", flow, "m", severity=0), f"{SEVERITY}int 0"),
        (lambda it, flow: it.alert("t", flow, "m", severity=9), f"{SEVERITY}int 9"),
        (lambda it, flow: it.alert("t", flow, "m", severity=4.0), f"{SEVERITY}float 4.0"),
        (lambda it, flow: it.alert("t", flow, "m", severity=True), f"{SEVERITY}bool True"),
        (lambda it, flow: it.alert("t", flow, "m", severity="high"), f"{SEVERITY}str 'high'"),
        (lambda it, flow: it.alert("t", flow, "m", priority=4), f"{PRIORITY}int 4"),
        (lambda it, flow: it.alert("t", flow, "m", priority=None), f"{PRIORITY}None"),
        (
            lambda it, flow: it.alert("t", flow, "m", group=None),
            "group has to be a name, a GUID or an AlertGroup, not None",
        ),
        (
            lambda it, flow: it.alert("t", flow, "m", group=COUNTERS),
            "group has to be a name, a GUID or an AlertGroup, not CounterGroup CounterGroup(name='Mine'",
        ),
        (lambda it, flow: it.alert(None, flow, "m"), "type has to be a text, not None"),
        (lambda it, flow: it.alert("t", flow, "m", signature=1), "signature has to be a text, not int 1"),
        (lambda it, flow: it.alert("t", "10.0.0.1", "m"), f"{ABOUT}str '10.0.0.1'"),
        (lambda it, flow: it.alert("t", flow, "m", threshold="1"), "threshold has to be a finite number, not str '1'"),
        (
            lambda it, flow: it.alert("t", flow, "m", attributes={"port": 22}),
            "attributes has to map texts to texts, not str 'port' to int 22",
        ),
        (
            lambda it, flow: it.alert("t", flow, "m", attributes=["port"]),
            "attributes has to be a mapping of texts to texts, not list ['port']",
        ),
        (lambda it, flow: it.threshold_alert("t", flow, "m"), "counter has to be a Metric, not Flow Flow("),
        (lambda it, flow: it.threshold_alert("t", COUNTED, "m", severity=99), f"{SEVERITY}int 99"),
        (
            lambda it, flow: it.threshold_alert("t", COUNTED, "m", value=float("inf")),
            "value has to be a finite number, not float inf",
        ),
        (lambda it, flow: it.resource(flow, "dns", None), "uri has to be a text, not None"),
        (lambda it, flow: it.resource(flow, "dns", "u", label=b"x"), "label has to be a text, not bytes b'x'"),
        (
            lambda it, flow: it.resource(flow, None, "u"),
            "group has to be a name, a GUID or a ResourceGroup, not None",
        ),
        (
            lambda it, flow: it.resource(COUNTED, "dns", "u"),
            "about has to be a Flow, Resource, Document or Alert, not Metric Metric(",
        ),
        (lambda it, flow: it.document(flow, "dns", 5, "text"), "key has to be a text, not int 5"),
        (lambda it, flow: it.document(flow, "dns", "key", None), "text has to be a text, not None"),
        (
            lambda it, flow: it.document(flow, 7, "k", "t"),
            "group has to be a name, a GUID or a DocumentGroup, not int 7",
        ),
        (lambda it, flow: it.count(None, "k", n=1), f"{COUNTER_GROUP}None"),
        (lambda it, flow: it.count(ALERTS, "k", n=1), f"{COUNTER_GROUP}AlertGroup AlertGroup(name='Mine'"),
        (lambda it, flow: it.count("Mine", 5, n=1), "key has to be a text, not int 5"),
        (lambda it, flow: it.count("Mine", "k", n=True), "a sample of n has to be a finite number, not bool True"),
        (lambda it, flow: it.count("Mine", "k", n="1"), "a sample of n has to be a finite number, not str '1'"),
        (lambda it, flow: it.count("Mine", "k", n=None), "a sample of n has to be a finite number, not None"),
        (
            lambda it, flow: it.count("Mine", "k", n=float("-inf")),
            "a sample of n has to be a finite number, not float -inf",
        ),
        (lambda it, flow: it.count("Mine", "k", n=10**5000), "a sample of n has to be a finite number, not int"),
        (lambda it, flow: it.label("Hosts", 5, "x"), "key has to be a text, not int 5"),
        (lambda it, flow: it.label(None, "k", "x"), f"{COUNTER_GROUP}None"),
        (lambda it, flow: it.attribute("Hosts", "k", "n", 5), "value has to be a text, not int 5"),
        (lambda it, flow: it.edge("Hosts", "k", "Apps", None), "other_key has to be a text, not None"),
        (lambda it, flow: it.flow_edges("flow", "Hosts", "k"), "flow has to be a Flow, not str 'flow'"),
        (lambda it, flow: it.tag(flow, 5), "tag has to be a text, not int 5"),
        (lambda it, flow: it.tag(None, "x"), "flow has to be a Flow, not None"),
        (lambda it, flow: it.send(5, "x"), "subject has to be a text, not int 5"),
        (lambda it, flow: it.run_async("work"), "work has to be a function, not str 'work'"),
        (lambda it, flow: it.run_async(print, then=5), "then has to be a function, not int 5"),
    ],
)
def test_wrong_arguments_are_errors_of_the_script_that_name_what_is_allowed(emit: Any, said: str) -> None:
    class Bad(SessionMonitor):
        def on_new_flow(self, flow: Flow) -> None:
            emit(self, flow)

    pipeline = Pipeline(scripts(Bad, Good))
    pipeline.feed(messages(FLOW, FLOWS))
    assert [error.script for error in pipeline.errors] == ["Bad"]
    assert str(pipeline.errors[0].error).startswith(said)
    assert [alert.type for alert in pipeline.published["alert"]] == ["good"]
    assert not any(pipeline.published[kind] for kind in ("resource", "document", "annotation", "dead"))


def test_a_flow_is_not_tagged_where_the_tag_cannot_be_published() -> None:
    seen: list[list[str]] = []

    class Bad(SessionMonitor):
        def on_new_flow(self, flow: Flow) -> None:
            self.tag(flow, "\ud800")

    class Looks(SessionMonitor):
        def on_new_flow(self, flow: Flow) -> None:
            seen.append(flow.tags)

    Pipeline(scripts(Bad, Looks)).feed(messages(FLOW, FLOWS))
    assert seen == [()]


def test_messages_are_no_longer_than_kafka_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_BYTES", 2000)
    box = Outbox("~flow/0", "live", FIRST_WINDOW, {"document": 1, "partial": 1})
    sent = [
        Document(id=str(number), time=0, group="dns", text="x" * (200 + 900 * (number == 7))) for number in range(20)
    ]
    for record in sent:
        box.put(DOCUMENT, "key", record)
    made = box.take()
    assert all(len(message.body) <= 2000 for message in made)
    assert [record for message in made for record in decode(Document, message.body)] == sent
    sequences = [(message.envelope.sequence, message.envelope.count) for message in made]
    assert [first for first, _ in sequences] == [sum(count for _, count in sequences[:n]) for n in range(len(made))]
