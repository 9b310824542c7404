"""The windows of what is read live."""

from __future__ import annotations

import pytest

from capture import live_windows
from capture.live_windows import LiveWindows
from tests.unit.capture.sinks import KeepingSink


class Clock:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def time_ns(self) -> int:
        return int(self.seconds * 1_000_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(1_700_000_050)
    monkeypatch.setattr(live_windows, "time", made)
    return made


def test_a_window_that_is_over_is_advanced_past_after_its_last_records(clock: Clock) -> None:
    sink = KeepingSink()
    told: list[tuple[int, list[int]]] = []
    windows = LiveWindows("x", sink, lambda: told.append((windows.window, list(sink.advanced))))
    assert windows.window == 1_700_000_040
    clock.seconds += 20
    assert windows.look() == 1_700_000_070_000_000
    assert sink.advanced == []
    clock.seconds += 60
    windows.look()
    assert told == [(1_700_000_040, [])]
    assert (windows.window, sink.advanced) == (1_700_000_100, [1_700_000_040])
    clock.seconds += 300
    windows.look()
    assert sink.advanced == [1_700_000_040, 1_700_000_340]


def test_a_clock_that_is_put_back_stands_still(clock: Clock) -> None:
    sink = KeepingSink()
    windows = LiveWindows("x", sink)
    clock.seconds += 100
    now = windows.look()
    window = windows.window
    clock.seconds -= 90
    assert windows.look() == now
    assert windows.window == window
    assert len(sink.advanced) == 1
