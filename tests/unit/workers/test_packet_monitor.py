"""Packet scripts are called with what their filters let through, and what they emit belongs to the packets' windows."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tapline import CounterGroup, Meter, PacketMonitor
from topics.catalog import ALERT, ANNOTATION, CATALOG, DOCUMENT, METRIC, RESOURCE
from topics.records import Alert, Endpoints, Metric
from workers.environment import Environment
from workers.packet_monitor import PacketCore
from workers.scripting.reload import ScriptFolders, ScriptReloader
from workers.scripting.scripts import load_classes, script_set
from workers.settings import WorkersSettings

MINUTE = 60_000_000
START = 28_333_334 * MINUTE
WINDOW = START // 1_000_000
GROUP = CounterGroup("Sizes", (Meter("packets"), Meter("largest", "maximum")), "host")


class Seen:
    """A packet at a time; its ends are asked for at most once."""

    def __init__(self, at: int, display_filter: str = "frame", **fields: Any) -> None:
        self.time = START + at
        self.display_filter = display_filter
        self.packet = SimpleNamespace(**fields)
        self.asked = 0

    def ends(self) -> Endpoints:
        self.asked += 1
        return Endpoints(
            id=f"packet {self.time}",
            time=self.time,
            node="node",
            observation_point="eth0",
            community_id="1:abc",
            source_ip="192.0.2.1",
            destination_ip="192.0.2.2",
        )


class Everything(PacketMonitor):
    """Emits one of everything for each packet."""

    name = "everything"
    display_filter = "frame"

    def on_packet(self, packet: Any) -> None:
        self.alert("seen", self.ends, "a packet")
        self.resource(self.ends, "dns", "a.example")
        self.document(self.ends, "dns", "key", "text")
        self.count(GROUP, "192.0.2.1", packets=1, largest=packet.size)
        self.tag(self.ends, "seen")
        self.label(GROUP, "192.0.2.1", "mine")


def core_of(*monitors: type[PacketMonitor], **settings: Any) -> tuple[PacketCore, list[Any]]:
    errors: list[Any] = []
    scripts = load_classes(monitors, {}, script_set(()))
    partitions = dict.fromkeys((topic.kind for topic in CATALOG), 1)
    core = PacketCore(Environment(WorkersSettings(**settings), scripts, partitions, failed=errors.append), "live")
    core.start()
    return core, errors


def test_all_that_a_script_may_emit_is_of_the_packet_and_its_window() -> None:
    core, errors = core_of(Everything)
    seen = Seen(5, size=70)
    emitted = core.show([seen])
    assert not errors
    assert [each.topic for each in emitted] == [ALERT, RESOURCE, DOCUMENT, METRIC, ANNOTATION, ANNOTATION]
    assert {each.window for each in emitted} == {WINDOW} == {core.window}
    alert, resource, document, sample, tag, _ = (each.record for each in emitted)
    assert (alert.node, alert.observation_point, alert.time, alert.entity) == ("node", "eth0", START + 5, "192.0.2.1")
    assert resource.community_id == document.community_id == "1:abc"
    assert (sample.group, sample.meters, sample.kinds) == (
        "Sizes",
        {"packets": 1, "largest": 70},
        {"largest": "maximum"},
    )
    assert (tag.kind, tag.value, tag.key, tag.destination_ip) == ("tag", "seen", "1:abc", "192.0.2.2")
    assert seen.asked == 1


def test_the_same_packets_make_the_same_records() -> None:
    packets = [(5, 70), (9, 80), (MINUTE, 90), (MINUTE, 90)]
    made = []
    for _ in range(2):
        core, _ = core_of(Everything)
        made.append([*core.show([Seen(at, size=size) for at, size in packets]), *core.finish()])
    assert made[0] == made[1]
    samples = [each.record.id for each in made[0] if each.topic is METRIC]
    assert len(set(samples)) == len(packets)


def test_scripts_see_what_their_own_filter_lets_through() -> None:
    seen: list[tuple[str, int]] = []

    class Odd(PacketMonitor):
        name = "odd"
        display_filter = " odd "

        def on_packet(self, packet: Any) -> None:
            seen.append((self.script_name, packet.number))

    class Even(Odd):
        name = "even"
        display_filter = "even"

    class AlsoOdd(Odd):
        name = "also odd"
        display_filter = "odd"

    core, _ = core_of(Odd, Even, AlsoOdd)
    assert core.display_filters == ("odd", "even")
    core.show([Seen(n, "odd" if n % 2 else "even", number=n) for n in range(3)])
    assert seen == [("even", 0), ("odd", 1), ("also odd", 1), ("even", 2)]


class Clocked(PacketMonitor):
    """Keeps what it is told of time."""

    name = "clocked"
    display_filter = "frame"

    def on_load(self) -> None:
        self.told: list[tuple[str, int]] = []
        CALLS.append(self.told)

    def on_packet(self, _: Any) -> None:
        self.told.append(("packet", self.now - START))

    def on_metronome(self, second: int) -> None:
        self.told.append(("second", second - WINDOW))

    def on_begin_flush(self, window: int) -> None:
        self.told.append(("begin", window - WINDOW))

    def on_end_flush(self, window: int) -> None:
        self.told.append(("end", window - WINDOW))
        self.count("Flushes", "all", flushes=1)


CALLS: list[list[tuple[str, int]]] = []


def test_time_is_that_of_the_packets() -> None:
    core, errors = core_of(Clocked)
    emitted = [*core.show([Seen(2_500_000), Seen(MINUTE + 1_000_000), Seen(4_000_000)]), *core.finish()]
    told = CALLS.pop()
    assert not errors
    assert told[:4] == [("second", 0), ("second", 1), ("packet", 2_500_000), ("second", 2)]
    assert [each for each in told if each[0] == "second"] == [("second", n) for n in range(120)]
    assert [each for each in told if each[0] != "second"] == [
        ("packet", 2_500_000),
        ("begin", 0),
        ("end", 0),
        ("packet", MINUTE + 1_000_000),
        ("packet", 4_000_000),
        ("begin", 60),
        ("end", 60),
    ]
    assert [each.window for each in emitted] == [WINDOW, WINDOW + 60], (
        "what is emitted at a window's end is of that one"
    )


def test_windows_go_on_by_the_clock_where_nothing_comes() -> None:
    core, _ = core_of(Clocked)
    assert core.reach(START + 1) == []
    assert core.window == WINDOW
    (flushed,) = core.reach(START + MINUTE)
    assert (flushed.window, core.window) == (WINDOW, WINDOW + 60)
    CALLS.pop()


def test_a_script_that_raises_is_told_with_its_line_and_suspended_alone() -> None:
    class Raising(PacketMonitor):
        name = "raising"
        display_filter = "frame"

        def on_packet(self, packet: Any) -> None:
            raise ValueError(packet.text)

    core, errors = core_of(Raising, Everything)
    emitted = core.show([Seen(n, size=1, text=f"no {n}") for n in range(12)])
    assert len(errors) == 10
    assert errors[0].place.startswith(f"{__file__}:")
    assert str(errors[0].error) == "no 0"
    alerts = [each.record for each in emitted if each.topic is ALERT]
    assert [alert.type for alert in alerts].count("seen") == 12
    (suspended,) = [alert for alert in alerts if alert.type == "script-suspended"]
    assert "on_packet raised 10 times in a row" in suspended.message
    assert suspended.message.endswith("it is loaded again when its file changes")
    counts = core.take_counts()
    assert (counts["errors.raising.on_packet"], counts["calls.everything.on_packet"]) == (10, 12)
    assert "errors.everything.on_packet" not in counts
    assert core.take_counts() == {}


def test_a_script_that_takes_too_long_is_ended_and_suspended() -> None:
    class Slow(PacketMonitor):
        name = "slow"
        display_filter = "frame"

        def on_packet(self, _: Any) -> None:
            while True:
                time.sleep(0.01)

    core, errors = core_of(Slow, hook_seconds=0.3)
    emitted = core.show([Seen(1), Seen(2)])
    core.stop()
    assert len(errors) == 1
    assert "ran longer than 0.3 s" in emitted[0].record.message


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda it: it.send("subject", 1), "cannot send messages"),
        (lambda it: it.store, "has no store"),
        (lambda it: it.count(GROUP, "k", nothing=1), "has no meter 'nothing'"),
        (lambda it: it.tag(Endpoints(id="1", time=1), "tag"), "there is no flow to tag: the packet is not IP"),
        (lambda it: it.alert("", None, "m", severity=9), "severity has to be"),
    ],
)
def test_what_it_cannot_do_is_told(wrong, said: str) -> None:
    class Wrong(PacketMonitor):
        name = "wrong"
        display_filter = "frame"

        def on_packet(self, _: Any) -> None:
            wrong(self)

    core, errors = core_of(Wrong)
    assert core.show([Seen(1)]) == []
    assert said in str(errors[0].error)


def test_there_are_ends_only_while_a_packet_is_at_hand() -> None:
    class Late(PacketMonitor):
        name = "late"
        display_filter = "frame"

        def on_packet(self, _: Any) -> None:
            self.run_async(lambda: self.ends)

        def on_end_flush(self, _: int) -> None:
            self.alert("late", self.ends, "too late")

    core, errors = core_of(Late)
    core.show([Seen(1)])
    assert core.finish() == []
    assert [error.hook for error in errors] == ["run_async", "on_end_flush"]
    assert all("no packet is at hand" in str(error.error) for error in errors)


def test_slow_work_is_done_before_the_window_ends() -> None:
    class Asking(PacketMonitor):
        name = "asking"
        display_filter = "frame"

        def on_packet(self, packet: Any) -> None:
            self.run_async(str.upper, packet.text, then=self.answered)

        def answered(self, text: str) -> None:
            self.count("Answers", text, answers=1)

    core, errors = core_of(Asking)
    assert core.show([Seen(1, text="a"), Seen(2, text="b")]) == []
    assert [(each.record.key, each.window) for each in core.show([Seen(MINUTE, text="c")])] == [
        ("A", WINDOW),
        ("B", WINDOW),
    ]
    assert [(each.record.key, each.window) for each in core.finish()] == [("C", WINDOW + 60)]
    assert not errors


def test_a_condition_ends_with_the_stream() -> None:
    class Condition(PacketMonitor):
        name = "condition"
        display_filter = "frame"

        def on_packet(self, _: Any) -> None:
            self.threshold_alert("much", Metric(id="1", time=self.now, group="G", key="k", meters={}), "it is much")

    core, _ = core_of(Condition)
    (raised,) = core.show([Seen(1)])
    (over,) = core.finish()
    assert (raised.record.action, over.record.action) == ("trigger", "release")


def test_scripts_that_change_are_loaded_again_and_broken_ones_are_told(tmp_path: Path) -> None:
    path = tmp_path / "seen.py"

    def write(**values: str) -> None:
        text = (
            "from tapline import PacketMonitor\n"
            "class Seen(PacketMonitor):\n"
            '    """Says what it has seen."""\n'
            "    display_filter = {display_filter!r}\n"
            "    def on_packet(self, packet):\n"
            "        self.alert('seen', self.ends, {message!r})\n"
        )
        path.write_text(text.format(**values))

    settings = WorkersSettings(scripts=[str(tmp_path)], reload_seconds=0.000001)
    environment = Environment(settings, script_set(()), dict.fromkeys((topic.kind for topic in CATALOG), 1))
    bad = "no such filter"
    folders = ScriptFolders(settings, environment.budget, problem=lambda file: bad if b"bad" in file.content else "")
    write(display_filter="frame", message="first")
    environment.scripts = folders.load()
    core = PacketCore(environment, "live", ScriptReloader(environment, folders))
    core.start()

    def messages(display_filter: str) -> list[str]:
        """What is said of a packet once two looks have seen the same."""
        said = [*core.reach(START), *core.reach(START), *core.show([Seen(5, display_filter=display_filter)])]
        return [each.record.message for each in said if isinstance(each.record, Alert)]

    try:
        assert messages("frame") == ["first"]
        write(display_filter="udp", message="the second")
        assert messages("udp") == ["the second"]
        assert core.display_filters == ("udp",)
        write(display_filter="bad", message="never said")
        broken, second = messages("udp")
        assert "the version loaded before runs on: no such filter" in broken
        assert second == "the second"
        path.unlink()
        assert messages("udp") == []
        assert core.display_filters == ()
        assert core.take_counts()["calls.Seen.on_packet"] == 3
    finally:
        core.stop()
