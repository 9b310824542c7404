"""`tapline.testing`: what a script does with captures and records, without anything beside it."""

from __future__ import annotations

import signal
from pathlib import Path
from textwrap import dedent

import pytest

from tapline import Alert, AlertMonitor, CounterGroup, Flow, Meter, Params, Resource, ResourceMonitor, SessionMonitor
from tapline.demo import DEMO_CAPTURE
from tapline.testing import run
from topics.errors import TaplineError
from topics.records import Snapshot

TIME = 1_700_000_050_000_000
SSH = """
    from tapline import Params, SessionMonitor

    class Short(SessionMonitor):
        l7_proto = "SSH"
        class params(Params):
            max_bytes: int = 1000
        def on_flush(self, flow):
            print("saw", flow.destination_port)
            if flow.total_bytes < self.params.max_bytes:
                self.alert("short-ssh", flow, f"{flow.total_bytes} bytes")
"""


class Everything(SessionMonitor):
    """Emits one of each."""

    mine = CounterGroup("Mine", (Meter("seen"),))

    class params(Params):  # noqa: N801 - as scripts name it
        text: str = "hello"

    def on_new_flow(self, flow: Flow) -> None:
        self.alert("seen", flow, self.params.text)
        self.count(self.mine, flow.source_ip, seen=1)
        self.resource(flow, "dns", "a.example")
        self.document(flow, "dns", "key", "text")
        self.tag(flow, "marked")


class Echo(AlertMonitor):
    def on_new_alert(self, alert: Alert) -> None:
        print(alert.message)  # noqa: T201 - what a script prints


class Raises(ResourceMonitor):
    def on_new_resource(self, resource: Resource) -> None:
        raise ValueError(resource.uri)


def flow(number: int, time: int = TIME) -> Flow:
    return Flow(
        id=str(number),
        flow_id=str(number),
        time=time,
        community_id=f"1:{number}",
        source_ip=f"10.0.0.{number}",
        transport="tcp",
        application="SSH",
        destination_port=22,
        record="final",
        total_source_bytes=600,
    )


def test_from_a_capture_to_what_a_script_file_said(tmp_path: Path) -> None:
    path = tmp_path / "short.py"
    path.write_text(dedent(SSH), encoding="utf-8")
    told = run(path, DEMO_CAPTURE, params={"max_bytes": 1_000_000})
    assert told.alerts
    assert {alert.type for alert in told.alerts} == {"short-ssh"}
    assert set(told.printed) == {"saw 22"}
    assert told.called("on_flush") == len(told.printed)
    assert not run(path, DEMO_CAPTURE, params={"Short.max_bytes": 1}).alerts


def test_the_same_capture_makes_the_same_result() -> None:
    first, second = run(Everything, DEMO_CAPTURE), run(Everything, DEMO_CAPTURE)
    assert first.alerts == second.alerts
    assert first.counters == second.counters
    assert first.annotations == second.annotations


def test_records_made_by_hand_are_seen_in_the_window_of_their_time() -> None:
    result = run([Everything, Echo], records=[flow(1), flow(2), flow(3, TIME + 60_000_000)])
    assert [alert.source_ip for alert in result.alerts] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert {(metric.window, metric.key) for metric in result.counters} == {
        (1_700_000_040, "10.0.0.1"),
        (1_700_000_040, "10.0.0.2"),
        (1_700_000_100, "10.0.0.3"),
    }
    assert all(metric.meters == {"seen": 1} for metric in result.counters)
    assert len(result.resources) == len(result.documents) == len(result.annotations) == 3
    assert result.printed == ["hello"] * 3, "alerts of one script reach another"
    assert not result.errors
    assert not result.unusable


def test_several_partitions_have_an_instance_each() -> None:
    class Loud(SessionMonitor):
        def on_load(self) -> None:
            print(self.instance)  # noqa: T201 - what a script prints

    assert sorted(run(Loud, records=[flow(1)], partitions=3).printed) == ["flow-0", "flow-1", "flow-2"]


def test_an_error_of_a_hook_is_told_with_its_line_and_record() -> None:
    made = Resource(id="1", time=TIME, group="dns", uri="a.example")
    (error,) = run(Raises, records=[made]).errors
    assert (error.script, error.hook, str(error.error)) == ("Raises", "on_new_resource", "a.example")
    line = next(
        number
        for number, text in enumerate(Path(__file__).read_text(encoding="utf-8").splitlines(), 1)
        if "raise ValueError" in text
    )
    assert error.place == f"{__file__}:{line}"
    assert error.argument == made


@pytest.mark.parametrize(
    ("script", "params", "message"),
    [
        (Everything, {"texd": 1}, "no script has a parameter texd; there are: text"),
        (Everything, {"Echo.text": 1}, r"no script has a parameter Echo\.text; there are: none"),
        (Everything, {"text": 1}, r"parameter Everything\.text: Expected `str`"),
        ("missing.py", {}, r"missing\.py is no file"),
    ],
)
def test_what_cannot_be_run_is_said(script: str | type, params: dict[str, object], message: str) -> None:
    with pytest.raises(TaplineError, match=message):
        run(script, records=[flow(1)], params=params)


def test_only_records_of_captures_can_be_fed() -> None:
    with pytest.raises(TaplineError, match="a Snapshot cannot be fed: there are Flow, Metric"):
        run(Echo, records=[Snapshot(node="a", stream="b", window=0, announced=0)])  # type: ignore[list-item]


class Interrupting(SessionMonitor):
    """Raises what looks like an interrupt, and then asks for a real one."""

    def on_new_flow(self, flow: Flow) -> None:
        if flow.id == "1":
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)


def test_only_the_user_can_interrupt_a_run(interruptible: None) -> None:
    before = signal.getsignal(signal.SIGINT)
    result = run(Interrupting, records=[flow(1)])
    assert [type(error.error) for error in result.errors] == [KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt):
        run(Interrupting, records=[flow(2)])
    assert signal.getsignal(signal.SIGINT) == before


def test_two_classes_of_one_name_are_refused() -> None:
    def named() -> type[SessionMonitor]:
        class Same(SessionMonitor):
            def on_new_flow(self, flow: Flow) -> None: ...

        return Same

    with pytest.raises(TaplineError, match="has a script Same too: give one another `name`"):
        run([named(), named()], records=[flow(1)])
