"""Scripts of the library that look at flows, against what tshark says of the captures."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tapline.testing import Result, run
from tests.golden.scripts.library.places import library
from tests.golden.scripts.samples import DEMO, arp_alone, facts, needs_tshark, shared, tshark


def test_ip_version_tags_each_flow(tmp_path: Path) -> None:
    told = run(library("ip_version"), DEMO)
    assert not told.errors
    by_flow = {annotation.flow_id: annotation for annotation in told.annotations}
    assert len(by_flow) == facts(DEMO.name)["community_ids"]["distinct"]
    assert {each.value for each in by_flow.values() if ":" in each.source_ip} == {"[ipver]6"}
    assert {each.value for each in by_flow.values() if ":" not in each.source_ip} == {"[ipver]4"}
    assert run(library("ip_version"), arp_alone(tmp_path)).annotations == []


def test_flow_sizes_counts_each_ended_flow_once(tmp_path: Path) -> None:
    told = run(library("flow_sizes"), DEMO)
    counted = facts(DEMO.name)
    assert sum(each.meters["flows"] for each in told.counters) == counted["community_ids"]["distinct"]
    assert sum(each.meters["bytes"] for each in told.counters) == sum(
        counted["transports"][name]["bytes"] for name in ("tcp", "udp", "icmp", "icmpv6")
    )
    for each in told.counters:
        digits = int(each.key.split()[0])
        assert 10 ** (digits - 1) <= each.meters["bytes"] / each.meters["flows"] < 10**digits
    assert run(library("flow_sizes"), arp_alone(tmp_path)).counters == []


@needs_tshark
def test_user_agents_are_tagged_and_counted() -> None:
    told = run(library("user_agents"), DEMO)
    assert not told.errors
    requests = tshark(DEMO, "http.user_agent", "tcp.stream", "http.user_agent")
    agents = {agent for _, agent in requests}
    named = [each for each in told.counters if each.group == "User Agents"]
    assert {each.key for each in named} == agents
    assert {each.value for each in told.annotations} == {
        "[ua]DemoBrowser" if agent.startswith("Mozilla") else f"[ua]{agent.partition('/')[0]}" for agent in agents
    }
    assert len({each.flow_id for each in told.annotations}) == len({stream for stream, _ in requests})
    assert different_agents(told) == len(agents)
    quiet = run(library("user_agents"), shared("ssh-guess.pcap"))
    assert quiet.called("on_flush") > 0
    assert quiet.annotations == quiet.counters == []


def different_agents(told: Result) -> int:
    """How many there were by the last window, over all instances."""
    seen = [each for each in told.counters if each.group == "User Agents Seen"]
    last = max(each.window for each in seen)
    return sum(int(each.meters["different"]) for each in seen if each.window == last)


def test_different_agents_add_up_over_partitions() -> None:
    told = run(library("user_agents"), DEMO, partitions=3)
    assert different_agents(told) == len({each.key for each in told.counters if each.group == "User Agents"})


@needs_tshark
def test_tcp_quality_counts_what_tshark_finds() -> None:
    capture = shared("ssh-basic-long.pcap")
    told = run(library("tcp_quality"), capture, params={"poor_percent": 1.0})
    assert not told.errors
    again = Counter[str]()
    times = defaultdict(set)
    for source, destination, resent, stream, time in tshark(
        capture, "tcp", "ip.src", "ip.dst", "tcp.analysis.retransmission", "tcp.stream", "tcp.analysis.initial_rtt"
    ):
        for ip in (source, destination):
            again[ip] += bool(resent)
            if time:
                times[ip].add((stream, round(float(time) * 1_000_000)))
    counted = Counter[str]()
    setups: dict[str, list[float]] = defaultdict(list)
    for each in told.counters:
        assert each.group == "TCP Quality"
        for where in ("internal", "external"):
            counted[each.key] += int(each.meters.get(f"retransmissions_{where}", 0))
            if f"setup_{where}" in each.meters:
                setups[each.key].append(float(each.meters[f"setup_{where}"]))
    assert counted == again
    assert again.total() == 26, "each at both ends"
    for ip, means in setups.items():
        exact = [time for _, time in times[ip]]
        assert min(exact) <= min(means) <= max(means) <= max(exact)
    assert setups.keys() == times.keys()
    assert {each.value for each in told.annotations} == {"poor-quality"}


def test_tcp_quality_finds_nothing_wrong_where_nothing_is() -> None:
    told = run(library("tcp_quality"), shared("ssh-guess.pcap"))
    assert told.counters
    assert told.annotations == []
    assert all(
        value == 0 for each in told.counters for name, value in each.meters.items() if name.startswith("retrans")
    )
    assert run(library("tcp_quality"), shared("dns-packets.pcap")).counters == []


def test_subnet_tracker_keeps_the_largest_flows_of_its_networks() -> None:
    networks = ["198.51.100.0/24"]
    told = run(library("subnet_tracker"), DEMO, params={"networks": networks})
    assert {each.bucket_seconds for each in told.tracks} == {300}
    entries = [entry for track in told.tracks for entry in track.entries]
    assert entries
    assert all("198.51.100." in entry.source_ip + " " + entry.destination_ip for entry in entries)
    for track in told.tracks:
        assert [entry.metric for entry in track.entries] == sorted(
            (entry.metric for entry in track.entries), reverse=True
        )
    udp = run(library("subnet_tracker"), DEMO, params={"protocol": "udp"})
    assert {entry.transport for track in udp.tracks for entry in track.entries} == {"udp"}
    nothing = run(library("subnet_tracker"), DEMO, params={"networks": ["192.0.2.250/32"]})
    assert nothing.called("metric") > 0
    assert not [entry for track in nothing.tracks for entry in track.entries]


def test_long_ssh_keeps_sessions_that_last_and_are_not_whitelisted() -> None:
    sessions = {
        (each["client"], each["server"]): each["duration_s"]
        for each in facts(DEMO.name)["ssh_flows"]
        if each["duration_s"] >= 60
    }
    assert sessions
    told = run(library("long_ssh"), DEMO)
    found: dict[tuple[str, str], float] = {}
    for track in told.tracks:
        for entry in track.entries:
            ends = entry.source_ip, entry.destination_ip
            found[ends] = max(found.get(ends, 0), entry.metric)
    assert found == pytest.approx(sessions, abs=0.001)
    (pair, *_) = sessions
    white = run(library("long_ssh"), DEMO, params={"whitelist": [[pair[1], f"{pair[0]}/32"]]})
    kept = {(entry.source_ip, entry.destination_ip) for track in white.tracks for entry in track.entries}
    assert kept == sessions.keys() - {pair}
