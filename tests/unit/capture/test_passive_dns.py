"""Flows are called by the names that their ends were looked up by."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from capture.enrichment.domains import Domains
from capture.enrichment.settings import EnrichmentSettings
from capture.packets.dns import DnsError, read_answer
from capture.settings import CaptureSettings
from tests.unit.capture.names import AAAA, CNAME, MX, address, addresses, answer, encoded, question, record
from tests.unit.capture.sinks import KeepingSink, flows_of
from tests.unit.capture.wire import SYN, Frame, ethernet, ipv4, tcp, udp, udp_header

START = 1_700_000_000_000_000
SECOND = 1_000_000
CLIENT, OTHER, RESOLVER, SERVER = "10.0.0.1", "10.0.0.2", "10.0.0.53", "192.0.2.1"
WITH_NAMES = CaptureSettings(enrichment=EnrichmentSettings(passive_dns=True))
quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def lookup(
    message: bytes, *, at: float = 0, client: str = CLIENT, resolver: str = RESOLVER, port: int = 50_000
) -> list[Frame]:
    """Somebody asks, and is answered at this second."""
    time = START + round(at * SECOND)
    return [
        Frame(time - 1000, udp(client, resolver, port, 53, question("any.example"))),
        Frame(time, udp(resolver, client, 53, port, message)),
    ]


def connection(at: float, source: str = CLIENT, destination: str = SERVER, port: int = 40_000) -> Frame:
    return Frame(START + round(at * SECOND), tcp(source, destination, port, 443, SYN))


def names(sink: KeepingSink) -> list[tuple[str, str]]:
    """The names of both ends of all flows of TCP, in the order in which they began."""
    flows = sorted(
        (flow for flow in sink.flows if flow.transport == "tcp" and not flow.sequence), key=lambda f: f.start
    )
    return [(flow.source_domain, flow.destination_domain) for flow in flows]


def seen(path: Path, *frames: Frame) -> KeepingSink:
    return flows_of(path / "x.pcap", sorted(frames, key=lambda frame: frame.time), WITH_NAMES)


def test_a_flow_has_the_name_that_its_client_asked_for(tmp_path: Path) -> None:
    sink = seen(
        tmp_path,
        connection(0.5),
        *lookup(addresses("WWW.Example.com", SERVER, "192.0.2.2"), at=1),
        *lookup(addresses("other.example", SERVER), at=2, client=OTHER),
        connection(3, port=40_001),
        connection(4, source=OTHER),
        connection(5, source="10.0.0.3"),
        connection(6, source=SERVER, destination=OTHER),
        connection(7, destination="192.0.2.2"),
    )
    assert names(sink) == [
        ("", ""),
        ("", "www.example.com"),
        ("", "other.example"),
        ("", "other.example"),
        ("other.example", ""),
        ("", "www.example.com"),
    ]
    # Two addresses of one client, one of another; of each the one for everybody, of which one is the same.
    assert sink.counts["names.learned"] == 5


def test_without_the_setting_there_are_no_names(tmp_path: Path) -> None:
    frames = [*lookup(addresses("www.example.com", SERVER)), connection(1)]
    assert names(flows_of(tmp_path / "x.pcap", frames)) == [("", "")]


def test_a_name_is_forgotten_when_it_is_no_longer_valid_by_event_time(tmp_path: Path) -> None:
    sink = seen(
        tmp_path,
        *lookup(addresses("long.example", "192.0.2.1", ttl=300), at=0),
        *lookup(addresses("short.example", "192.0.2.2", ttl=1), at=0, port=50_001),
        *lookup(addresses("none.example", "192.0.2.3", ttl=1 << 31), at=0, port=50_002),
        *(connection(59, destination=f"192.0.2.{number}", port=40_000 + number) for number in (1, 2, 3)),
        *(connection(61, destination=f"192.0.2.{number}", port=40_010 + number) for number in (1, 2, 3)),
        connection(299, port=40_020),
        connection(301, port=40_021),
    )
    told = [destination for _, destination in names(sink)]
    assert told == ["long.example", "short.example", "none.example", "long.example", "", "", "long.example", ""]
    assert sink.counts["names.expired"] == 6


def test_an_update_and_the_last_record_of_a_flow_say_the_same(tmp_path: Path) -> None:
    frames = [*lookup(addresses("www.example.com", SERVER, ttl=1)), connection(30), connection(100)]
    records = [flow for flow in seen(tmp_path, *frames).flows if flow.transport == "tcp"]
    assert [flow.record for flow in records] == ["update", "final"]
    assert {flow.destination_domain for flow in records} == {"www.example.com"}


@pytest.mark.parametrize("tags", [(), ((0x8100, 5),), ((0x88A8, 5), (0x8100, 6))])
def test_answers_with_vlan_tags(tmp_path: Path, tags: tuple[tuple[int, int], ...]) -> None:
    def tagged(time: int, source: str, destination: str, datagram: bytes) -> Frame:
        return Frame(START + time, ethernet(ipv4(source, destination, 17, datagram), 0x0800, *tags))

    message = addresses("www.example.com", SERVER)
    asked = tagged(0, CLIENT, RESOLVER, udp_header(50_000, 53, question("www.example.com")))
    told = tagged(1, RESOLVER, CLIENT, udp_header(53, 50_000, message))
    assert names(seen(tmp_path, asked, told, connection(1))) == [("", "www.example.com")]


def test_answers_over_ipv6_and_of_ipv6(tmp_path: Path) -> None:
    client, resolver, server = "2001:db8::1", "2001:db8::53", "2001:db8:1::1"
    sink = seen(
        tmp_path,
        *lookup(addresses("six.example", server), at=0, client=client, resolver=resolver),
        connection(1, source=client, destination=server),
        *lookup(addresses("four.example", SERVER), at=0.5, client=client, resolver=resolver, port=50_001),
        connection(2),
    )
    assert names(sink) == [("", "six.example"), ("", "four.example")]


def test_what_nobody_asked_for_is_not_believed(tmp_path: Path) -> None:
    message = addresses("bank.example", SERVER)
    unasked = Frame(START, udp(RESOLVER, CLIENT, 53, 50_000, message))
    assert names(seen(tmp_path, unasked, connection(1))) == [("", "")]


def test_an_answer_in_fragments_is_left_alone(tmp_path: Path) -> None:
    datagram = udp_header(53, 50_000, addresses("www.example.com", *(f"192.0.2.{number}" for number in range(200))))
    asked, _ = lookup(b"")
    cut = 1480
    parts = [
        ethernet(ipv4(RESOLVER, CLIENT, 17, datagram[:cut], identity=9, more=True)),
        ethernet(ipv4(RESOLVER, CLIENT, 17, datagram[cut:], identity=9, offset=cut)),
    ]
    sink = seen(tmp_path, asked, *(Frame(START + at, part) for at, part in enumerate(parts)), connection(1))
    assert names(sink) == [("", "")]
    assert not sink.counts["names.malformed"]


def test_a_broken_answer_is_counted_and_the_next_one_is_read(tmp_path: Path) -> None:
    whole = addresses("www.example.com", SERVER)
    sink = seen(tmp_path, *lookup(whole[:-2], at=0), *lookup(whole, at=1), connection(2))
    assert sink.counts["names.malformed"] == 1
    assert names(sink) == [("", "www.example.com")]


def test_reading_it_again_gives_the_same(tmp_path: Path) -> None:
    frames = [
        frame
        for number in range(50)
        for frame in (
            *lookup(
                addresses(f"n{number}.example", f"192.0.2.{number % 7}", ttl=number),
                at=number * 3,
                port=50_000 + number,
            ),
            connection(number * 3 + 1, destination=f"192.0.2.{number % 5}", port=40_000 + number),
        )
    ]
    assert seen(tmp_path, *frames).flows == seen(tmp_path, *frames).flows


def test_the_oldest_make_room() -> None:
    domains = Domains(most=4)
    client = ip_address(CLIENT).packed
    for number in range(5):
        domains.take(client, addresses(f"n{number}.example", f"192.0.2.{number}"), START)
    assert len(domains) == 4
    found = [domains.find(ip_address(f"192.0.2.{number}").packed, client, START) for number in range(5)]
    assert found == ["", "", "", "n3.example", "n4.example"]
    assert domains.counts == {"names.learned": 10, "names.evicted": 6}


def test_addresses_of_aliases_are_those_of_the_name_that_was_asked_for() -> None:
    message = answer(
        "www.example.com",
        record(b"\xc0\x0c", CNAME, encoded("edge.example.net"), 60),
        record(encoded("EDGE.example.net"), CNAME, encoded("host.example.org"), 20),
        address("192.0.2.1", 300, encoded("host.example.org")),
        address("192.0.2.2", 300, encoded("stranger.example")),
    )
    assert read_answer(message) == ("www.example.com", [(ip_address("192.0.2.1").packed, 20)])


@pytest.mark.parametrize(
    "message",
    [
        question("www.example.com"),
        addresses("www.example.com", SERVER)[:2] + b"\x81\x83" + addresses("www.example.com", SERVER)[4:],
        answer("example.com", kind=MX),
        addresses("odd name.example", SERVER),
        addresses("", SERVER),
    ],
    ids=["question", "no such name", "another type", "no host name", "the root"],
)
def test_what_tells_no_address_of_a_host(message: bytes) -> None:
    assert read_answer(message) is None


@pytest.mark.parametrize(
    "message",
    [
        b"",
        bytes(11),
        answer("www.example.com")[:-5],
        answer("www.example.com", address(SERVER)[:-1]),
        answer("www.example.com", record(b"\xc0\x0c", CNAME, b"\xc0\xff")),
        answer("www.example.com", record(b"\xc0\x2d", CNAME, b"\xc0\x2d")),
        answer("www.example.com")[:12] + b"\xc0\x0c\0\1\0\1",
        answer(".".join(["a" * 60] * 5), address(SERVER)),
        answer("www.example.com")[:12] + b"\x40" + bytes(100),
    ],
)
def test_what_is_broken(message: bytes) -> None:
    with pytest.raises(DnsError):
        read_answer(message)


LABELS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)


@quick
@given(
    name=st.lists(LABELS, min_size=1, max_size=5).map(".".join),
    ips=st.lists(st.ip_addresses(v=6).map(str), max_size=8),
    ttl=st.integers(0, (1 << 31) - 1),
)
def test_what_is_written_is_read(name: str, ips: list[str], ttl: int) -> None:
    written = answer(name, *(address(ip, ttl) for ip in ips), kind=AAAA)
    assert read_answer(written) == (name, [(ip_address(ip).packed, ttl) for ip in ips])


@quick
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: answer("a.example")[:12] + tail)))
@example(answer("a.example", record(b"\xc0\x0c", CNAME, b"\xc0\x0c")))
def test_any_bytes_are_an_answer_or_none_or_broken(message: bytes) -> None:
    domains = Domains(most=10)
    domains.take(b"\x0a\0\0\1", message, START)
    assert len(domains) <= 10
