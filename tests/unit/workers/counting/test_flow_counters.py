"""The counter groups against a plain count of the same flows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topics.records import Flow
from workers.counting.flow_counters import FlowCounters, subnet_of
from workers.counting.groups import TRAFFIC_METERS, named
from workers.counting.numbered_counters import NumberedFlowCounters

DELTAS = st.one_of(st.integers(0, 2**20), st.integers(2**33, 2**35), st.integers(-(2**64), 2**64))
"""None is below zero or beyond 64 bits, but a message of somebody's must not spoil another sum of its key."""

HOSTS = st.sampled_from(["10.0.0.1", "10.0.0.2", "192.0.2.9", "2001:db8::1", "2001:db8:0:0:1::2"])
FLOWS = st.builds(
    Flow,
    id=st.just("x"),
    time=st.just(0),
    observation_point=st.sampled_from(["eth0", "eth1"]),
    source_ip=HOSTS,
    destination_ip=HOSTS,
    destination_port=st.sampled_from([0, 53, 443]),
    transport=st.sampled_from(["tcp", "udp"]),
    application=st.sampled_from(["", "DNS", "TLS.Google"]),
    sequence=st.integers(0, 2),
    delta_source_bytes=DELTAS,
    delta_destination_bytes=DELTAS,
    delta_source_packets=DELTAS,
    delta_destination_packets=DELTAS,
)


def made(**fields: int) -> Flow:
    """A flow with these deltas."""
    return Flow(id="x", time=0, source_ip="10.0.0.1", destination_ip="10.0.0.2", transport="tcp", **fields)  # type: ignore[arg-type]


def plain(flows: list[Flow]) -> dict[tuple[str, str], Counter[str]]:
    """Every group and key counted the slow way."""
    found: dict[tuple[str, str], Counter[str]] = {}

    def add(group: str, key: str, back: tuple[int, int], sent: tuple[int, int], new: bool) -> None:  # noqa: FBT001
        found.setdefault((group, key), Counter()).update(
            bytes=back[0] + sent[0],
            bytes_in=back[0],
            bytes_out=sent[0],
            packets=back[1] + sent[1],
            packets_in=back[1],
            packets_out=sent[1],
            flows=1,
            new_flows=int(new),
        )

    for flow in flows:
        sent = (flow.delta_source_bytes, flow.delta_source_packets)
        back = (flow.delta_destination_bytes, flow.delta_destination_packets)
        new = flow.sequence == 0
        for ip, received, given_out in ((flow.source_ip, back, sent), (flow.destination_ip, sent, back)):
            add("Hosts", ip, received, given_out, new)
            add("Subnets", subnet_of(ip, 24, 64), received, given_out, new)
        add("Apps", flow.application or "Unknown", back, sent, new)
        add("Protocols", flow.transport, back, sent, new)
        if flow.destination_port:
            add("Ports", f"{flow.transport}/{flow.destination_port}", back, sent, new)
        add("Interfaces", flow.observation_point, back, sent, new)
        add("Aggregates", "TOTAL", back, sent, new)
    return found


@pytest.mark.parametrize("kind", [FlowCounters, NumberedFlowCounters])
@given(flows=st.lists(FLOWS, max_size=30))
def test_every_group_counts_what_a_plain_count_counts(kind: type[FlowCounters], flows: list[Flow]) -> None:
    counters = kind()
    counters.add(flows[:4])
    list(counters.changed(24, 64, lambda _: True, 7))
    for start in range(4, len(flows), 4):
        counters.add(flows[start : start + 4])
    found = {(sums.group, sums.key): named(sums.group, sums.meters) for sums in counters.partials(24, 64)}
    assert found == {place: {name: counts[name] for name in TRAFFIC_METERS} for place, counts in plain(flows).items()}


def test_sums_of_many_records_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.counting.numbered_counters.MOST_ROWS", 100)
    counters = NumberedFlowCounters()
    largest = 2**34 - 1
    for _ in range(7):
        counters.add([made(delta_source_bytes=largest, delta_destination_packets=largest)] * 64)
    found = {(sums.group, sums.key): named(sums.group, sums.meters) for sums in counters.partials(24, 64)}
    assert found["Hosts", "10.0.0.1"]["bytes_out"] == largest * 448
    assert found["Hosts", "10.0.0.2"]["packets_out"] == largest * 448
    assert list(counters.numbers) == ["10.0.0.1", "10.0.0.2"]


def test_networks_of_addresses() -> None:
    assert subnet_of("10.1.2.3", 24, 64) == "10.1.2.0/24"
    assert subnet_of("10.1.2.3", 16, 64) == "10.1.0.0/16"
    assert subnet_of("2001:db8::5", 24, 64) == "2001:db8::/64"
    assert subnet_of("no address", 24, 64) == "no address"
