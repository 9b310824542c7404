"""The community id is everyone's: the reference implementation's."""

from __future__ import annotations

from ipaddress import ip_address

from communityid import CommunityID, FlowTuple
from hypothesis import given
from hypothesis import strategies as st

from capture.community_id import community_id, icmp_ports

ADDRESSES = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)), st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6))
)
PORTS = st.integers(0, 65535)


def packed(number: int) -> bytes:
    return number.to_bytes(2, "big")


@given(ADDRESSES, st.sampled_from([6, 17, 132]), PORTS, PORTS)
def test_ports_are_hashed_as_the_reference_does(addresses, protocol, source_port, destination_port):
    source, destination = addresses
    expected = CommunityID().calc(FlowTuple(protocol, source.packed, destination.packed, source_port, destination_port))
    ports = packed(source_port) + packed(destination_port)
    assert community_id(protocol, source.packed, destination.packed, ports) == expected


@given(ADDRESSES, st.integers(0, 255).filter(lambda number: number not in {1, 6, 17, 58, 132}))
def test_protocols_without_ports(addresses, protocol):
    source, destination = addresses
    expected = CommunityID().calc(FlowTuple(protocol, source.packed, destination.packed))
    assert community_id(protocol, source.packed, destination.packed) == expected


@given(ADDRESSES, st.integers(0, 255), st.integers(0, 255))
def test_icmp_types_stand_for_ports(addresses, kind, code):
    source, destination = addresses
    protocol = 1 if source.version == 4 else 58
    expected = CommunityID().calc(FlowTuple(protocol, source.packed, destination.packed, kind, code))
    source_port, destination_port, one_way = icmp_ports(protocol, kind, code)
    ports = packed(source_port) + packed(destination_port)
    assert community_id(protocol, source.packed, destination.packed, ports, one_way=one_way) == expected


def test_a_published_example():
    ports = packed(34855) + packed(80)
    source, destination = ip_address("128.232.110.120").packed, ip_address("66.35.250.204").packed
    assert community_id(6, source, destination, ports) == "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
