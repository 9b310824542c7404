"""The samples that look at counters, against sums of what tshark prints of the demo capture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tapline.testing import run
from tests.golden.scripts.samples import DEMO, arp_alone, facts, needs_tshark, sample, tshark


def windows() -> list[int]:
    return sorted(int(window) for window in facts(DEMO.name)["windows"])


def window_of(time: str) -> int:
    seconds = int(time.partition(".")[0])
    return seconds - seconds % 60


def ssh_bytes() -> Counter[int]:
    """Bytes to and from port 22 by window; the scan's probe of it passes for SSH too."""
    found: Counter[int] = Counter()
    for time, length in tshark(DEMO, "tcp.port == 22", "frame.time_epoch", "frame.len"):
        found[window_of(time)] += int(length)
    return found


def host_bytes() -> dict[int, Counter[str]]:
    """Bytes of frames to and from each address, by window."""
    found: dict[int, Counter[str]] = {window: Counter() for window in windows()}
    for time, length, *addresses in tshark(
        DEMO, "ip || ipv6", "frame.time_epoch", "frame.len", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"
    ):
        # What an ICMP error quotes comes after a comma.
        for address in {value.partition(",")[0] for value in addresses if value}:
            found[window_of(time)][address] += int(length)
    return found


@needs_tshark
@pytest.mark.parametrize("partitions", [1, 2])
def test_cgmon_follows_the_group_through_each_window(partitions: int) -> None:
    told = run(sample("cgmon"), DEMO, partitions=partitions)
    assert not told.errors
    instances = [f"[partial-{number}]" for number in range(partitions)]
    keys: set[tuple[int, str]] = set()
    for instance in instances:
        lines = [line.replace(f" {instance}", "") for line in told.printed if instance in line]
        assert (lines[0], lines[-1]) == ("loaded", "unloaded")
        seen, window = [], 0
        for line in lines[1:-1]:
            if line.startswith("begin flush "):
                assert window == 0
                window = int(line.split()[-1])
                seen.append(window)
            elif line.startswith("end flush "):
                assert int(line.split()[-1]) == window
                window = 0
            else:
                assert line.startswith("flush ")
                place = (window, line.removeprefix("flush "))
                assert place not in keys, "a key is in one instance, and flushed once a window"
                keys.add(place)
        assert seen == windows()
    assert {window for window, key in keys if key == "SSH"} == set(ssh_bytes())
    assert (windows()[1], "HTTP.OCSP") in keys


@needs_tshark
def test_cgmon_2_prints_sums_that_grow_to_the_windows_totals() -> None:
    told = run(sample("cgmon_2"), DEMO)
    assert not told.errors
    last: dict[tuple[int, str], int] = {}
    for line in told.printed:
        word, instance, second, key, *meters = line.split()
        assert (word, instance) == ("update", "[partial-0]")
        values = dict(meter.split("=") for meter in meters)
        place = (int(second) - 1 - (int(second) - 1) % 60, key)
        assert int(values["bytes"]) >= last.get(place, 0)
        last[place] = int(values["bytes"])
    assert {window: octets for (window, key), octets in last.items() if key == "SSH"} == ssh_bytes()


@needs_tshark
def test_cgmon_3_prints_the_top_hosts_of_each_window_by_each_meter() -> None:
    told = run(sample("cgmon_3"), DEMO, partitions=2)
    assert not told.errors
    lists: dict[tuple[int, str], list[tuple[str, float]]] = {}
    place = (0, "")
    for line in told.printed:
        words = line.split()
        if words[:2] == ["begin", "toppers"]:
            place = (int(words[2]), words[3])
            assert place not in lists
            lists[place] = []
        elif words[:2] == ["end", "toppers"]:
            assert words[2] == place[1]
        else:
            assert int(words[0]) == len(lists[place]) + 1
            lists[place].append((words[1], float(words[2])))
    assert {meter for _, meter in lists} == {
        *("bytes", "bytes_in", "bytes_out", "packets", "packets_in", "packets_out", "flows", "new_flows")
    }
    by_host = host_bytes()
    assert {window for window, _ in lists} == set(windows())
    for window in windows():
        top = lists[window, "bytes"]
        stated = by_host[window]
        assert [value for _, value in top] == sorted(stated.values(), reverse=True)[:20]
        assert all(stated[key] == value for key, value in top)


@pytest.mark.parametrize("name", ["cgmon", "cgmon_2", "cgmon_3"])
def test_nothing_is_flushed_where_nothing_was_counted(tmp_path: Path, name: str) -> None:
    told = run(sample(name), arp_alone(tmp_path))
    assert not told.errors
    assert told.called("on_flush") == told.called("on_update") == told.called("on_topper_flush") == 0
    assert not [line for line in told.printed if line.startswith(("flush", "update", " "))]
