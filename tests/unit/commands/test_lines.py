import pytest

from tapline.commands.lines import line
from topics.records import Alert, Annotation, Dns, Flow, Message, Metric, Record, Resource, Track, TrackEntry


def test_a_flow_tells_who_what_and_how_much() -> None:
    flow = Flow(
        id="1",
        time=1_700_000_000_123_456,
        source_ip="192.0.2.1",
        source_port=4000,
        destination_ip="2001:db8::1",
        destination_port=443,
        transport="tcp",
        application="TLS.Google",
        server_name="example.com",
        state="established",
        delta_source_bytes=1000,
        delta_destination_bytes=234,
        delta_source_packets=3,
    )
    assert line("flow", flow) == (
        "2023-11-14 22:13:20.123456  flow      192.0.2.1:4000 > [2001:db8::1]:443             "
        "  tcp TLS.Google example.com: 1,234 bytes, 3 packets established, goes on"
    )


def test_what_came_from_the_network_cannot_disturb_the_terminal() -> None:
    dns = Resource(id="1", time=0, group="dns", uri="a\x1b[2Jb\nc", dns=Dns(type="query", query_type="A"))
    assert line("resource", dns).endswith("dns a [2Jb c query A")
    alert = Alert(id="1", time=0, type="odd", message="x" * 2000 + "\r\n")
    assert line("alert", alert).endswith("x" * 999 + "…")


def test_a_time_beyond_the_calendar_is_shown_as_it_is() -> None:
    assert line("alert", Alert(id="1", time=1 << 62, type="odd", message="")).startswith("4611686018427387904 us")


@pytest.mark.parametrize(
    ("kind", "record", "said"),
    [
        (
            "counter",
            Metric(id="1", time=0, group="Mine", key="k", meters={"a": 1234, "b": 0.5}),
            "Mine k: a 1,234, b 0.5",
        ),
        (
            "track",
            Track(
                id="1",
                time=0,
                tracker="T",
                window=0,
                bucket_seconds=300,
                entries=[
                    TrackEntry(
                        flow_id="f", metric=5.0, source_ip="::1", source_port=9, destination_ip="::2", application="SSH"
                    )
                ],
            ),
            "T, 300 s: 1 flows, largest 5: [::1]:9 > ::2 SSH",
        ),
        ("annotation", Annotation(id="1", time=0, kind="tag", value="odd"), "tag odd"),
        ("annotation", Annotation(id="1", time=0, kind="label", group="G", key="k", value="v"), "label of G k: v"),
        (
            "annotation",
            Annotation(id="1", time=0, kind="attribute", group="G", key="k", name="n", value="v"),
            "attribute of G k: n = v",
        ),
        (
            "annotation",
            Annotation(id="1", time=0, kind="edge", group="G", key="k", other_group="H", other_key="o"),
            "edge G k - H o",
        ),
        ("message", Message(id="1", time=0, subject="s", payload="[1]", script="It"), "It sends s: [1]"),
    ],
)
def test_what_scripts_emit_is_a_line_too(kind: str, record: Record, said: str) -> None:
    told = line(kind, record)
    assert told.startswith(f"1970-01-01 00:00:00.000000  {kind}")
    assert told.endswith(f"  {said}")
