"""DNS messages over UDP and TCP."""

from __future__ import annotations

import struct

from capture.source import observe_file
from capture.tshark.dns import ANSWERS_LIMIT, read
from capture.tshark.frame import Conversation
from capture.tshark.frame import Frame as SeenFrame
from capture.tshark.minting import Mint
from tests.unit.capture.wire import Frame, ethernet, icmp, ip, ipv4, udp, udp_header
from tests.unit.capture_tshark.conversations import (
    CLIENT,
    SERVER,
    START,
    TcpConversation,
    dns_answer,
    dns_over_udp,
    dns_query,
    see,
)
from topics.records import Resource

A, CNAME, MX, TXT, AAAA, UNKNOWN = 1, 5, 15, 16, 28, 65280
ADDRESS = bytes([192, 0, 2, 1])


def test_a_query_and_its_answer(tmp_path):
    answer = dns_answer(
        "www.example.com", (CNAME, b"\x03cdn\xc0\x10"), (A, ADDRESS), (UNKNOWN, b"??"), (AAAA, bytes(15) + b"\1")
    )
    frames = [dns_over_udp("www.example.com"), Frame(START + 1500, udp(SERVER, CLIENT, 53, 50000, answer))]
    seen = see(tmp_path / "x.pcap", frames)

    asked, answered = seen.resources("dns")

    assert (asked.dns.type, asked.dns.query_type, asked.dns.query_class, asked.dns.flags) == (
        "query",
        "A",
        "IN",
        ["RD"],
    )
    assert asked.time == START
    assert answered.time == START + 1500
    assert asked.uri == answered.uri == "www.example.com"
    assert answered.dns.answers == [
        ("www.example.com", "CNAME", "cdn.example.com"),
        ("www.example.com", "A", "192.0.2.1"),
        ("www.example.com", "TYPE65280", ""),
        ("www.example.com", "AAAA", "::1"),
    ]
    assert answered.dns.resolved_ips == ["192.0.2.1", "::1"]
    assert answered.dns.response_code == "NOERROR"
    assert answered.dns.flags == ["RD", "RA"]
    assert (answered.source_ip, answered.destination_ip, answered.destination_port) == (CLIENT, SERVER, 53)
    assert asked.community_id == answered.community_id != ""
    assert [document.text.split()[0] for document in seen.documents("dns")] == ["QUERY", "RESPONSE"]


def test_several_messages_of_one_segment_keep_their_records(tmp_path):
    text = b"".join(bytes([len(part)]) + part for part in (b"v=spf1", b" -all"))
    messages = [
        dns_answer("a.example", (MX, b"\0\x0a\x04mail\xc0\x0c"), number=1, kind=MX),
        dns_answer("b.example", (TXT, text), (TXT, b"\x03two"), number=2, kind=TXT),
        dns_answer("c.example", number=3),
        dns_answer("d.example", (A, ADDRESS), number=4),
    ]
    queries = [dns_query(f"{letter}.example", number) for number, letter in enumerate("abcd", 1)]
    talk = TcpConversation(53)
    talk.client(b"".join(struct.pack("!H", len(message)) + message for message in queries))
    talk.server(b"".join(struct.pack("!H", len(message)) + message for message in messages)).close()

    records = see(tmp_path / "x.pcap", talk.frames).resources("dns")

    assert [record.dns.query_name for record in records] == ["a.example", "b.example", "c.example", "d.example"] * 2
    assert [record.dns.message_id for record in records] == [1, 2, 3, 4] * 2
    assert [[data for _, _, data in record.dns.answers] for record in records[4:]] == [
        ["10 mail.a.example"],
        ["v=spf1 -all", "two"],
        [],
        ["192.0.2.1"],
    ]
    assert len({record.id for record in records}) == 8


def test_what_an_icmp_error_quotes_was_not_asked(tmp_path):
    quoted = ipv4(CLIENT, SERVER, 17, udp_header(50000, 53, dns_query("www.example.com")))
    error = ip(SERVER, CLIENT, 1, struct.pack("!BBHI", 3, 3, 0, 0) + quoted)
    seen = see(tmp_path / "x.pcap", [Frame(START, error), Frame(START, icmp(CLIENT, SERVER, 8))])

    assert not seen.put_all
    assert seen.counts["skipped.quoted-by-icmp"] == 1


def test_multicast_dns_is_not_asked_of_a_name_server(tmp_path):
    query = udp(CLIENT, "224.0.0.251", 5353, 5353, dns_query("printer.local"))
    seen = see(tmp_path / "x.pcap", [Frame(START, query)])

    assert not seen.put_all


def test_a_message_cut_short_still_tells_its_question(tmp_path):
    answer = dns_answer("www.example.com", *[(A, ADDRESS)] * 9)[:60]
    seen = see(tmp_path / "x.pcap", [Frame(START, udp(SERVER, CLIENT, 53, 50000, answer))])

    (record,) = seen.resources("dns")

    assert record.uri == "www.example.com"
    assert len(record.dns.answers) < 9


def test_endless_answers_are_cut_and_counted():
    mint = Mint(observe_file("node", "x", "ef" * 32))
    layers = {
        "dns_id": ["0x0001"],
        "dns_flags": ["0x8180"],
        "dns_count_queries": ["0"],
        "dns_count_answers": ["4000"],
        "dns_resp_name": ["x" * 250] * 4000,
        "dns_resp_type": ["1"] * 4000,
        "dns_a": ["192.0.2.1"] * 4000,
    }
    conversation = Conversation(SERVER, CLIENT, 53, 50000, "tcp", 6, 0, "1:x")

    resource, _ = read(SeenFrame(1, START, layers, conversation), mint)

    assert isinstance(resource, Resource)
    assert resource.dns is not None
    assert len(resource.dns.answers) == ANSWERS_LIMIT
    assert mint.counts["truncated.answers"] == 1


def counts(dns):
    return dns.question_count, dns.answer_count, dns.authority_count, dns.additional_count


def test_sizes_of_messages_over_udp_and_tcp(tmp_path):
    long = b"".join(b"\xff" + bytes([65 + part]) * 255 for part in range(3))
    asked, answered = dns_query("x.example", kind=TXT), dns_answer("x.example", (TXT, long), (A, ADDRESS), kind=TXT)
    talk = TcpConversation(53).client(*(struct.pack("!H", len(asked)) + asked,))
    talk.server(struct.pack("!H", len(answered)) + answered + struct.pack("!H", len(asked)) + asked)
    frames = [
        Frame(START, udp(CLIENT, SERVER, 50000, 53, asked)),
        Frame(START + 1, udp(SERVER, CLIENT, 53, 50000, answered)),
        *talk.close().frames,
    ]
    seen = [record.dns for record in see(tmp_path / "x.pcap", frames).resources("dns")]

    assert [dns.size for dns in seen] == [len(asked), len(answered), len(asked), len(answered), len(asked)]
    assert [dns.answer_bytes for dns in seen] == [0, len(long) + 4, 0, len(long) + 4, 0]
    assert [counts(dns) for dns in seen[:2]] == [(1, 0, 0, 0), (1, 2, 0, 0)]
    assert not any(dns.fragmented for dns in seen)


def test_a_message_in_fragments_is_told_as_one(tmp_path):
    answer = dns_answer("x.example", *[(TXT, b"\xfe" + b"y" * 254)] * 10, kind=TXT)
    datagram = udp_header(53, 50000, answer)
    first = ipv4(SERVER, CLIENT, 17, datagram[:1480], identity=5, more=True)
    last = ipv4(SERVER, CLIENT, 17, datagram[1480:], identity=5, offset=1480)
    frames = [Frame(START, ethernet(first)), Frame(START + 1, ethernet(last))]
    (record,) = see(tmp_path / "x.pcap", frames).resources("dns")

    assert record.dns.fragmented
    assert (record.dns.size, record.dns.answer_bytes) == (len(answer), 2550)


def test_odd_headers_are_told(tmp_path):
    names = b"\x01x\x00" + struct.pack("!HH", 1, 1)
    heads = [
        struct.pack("!HHHHHH", 1, 0x0140, 1, 0, 0, 0),
        struct.pack("!HHHHHH", 2, 0x1000, 1, 0, 0, 0),
        struct.pack("!HHHHHH", 3, 0x7800, 1, 0, 0, 0),
        struct.pack("!HHHHHH", 4, 0x0100, 1, 7, 0, 0),
    ]
    frames = [Frame(START + at, udp(CLIENT, SERVER, 50000 + at, 53, head + names)) for at, head in enumerate(heads)]
    seen = [record.dns for record in see(tmp_path / "x.pcap", frames).resources("dns")]

    assert seen[0].flags == ["RD", "Z"]
    assert [dns.operation for dns in seen] == ["QUERY", "STATUS", "OPCODE15", "QUERY"]
    assert [dns.answer_count for dns in seen] == [0, 0, 0, 7]
