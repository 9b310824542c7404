"""What the sources are given to damage, and the damage of JSON."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import islice
from typing import Any, Final

import msgspec

from bench.fuzz_netflow import CAPTURES, PLACES, SHARED, datagrams_of, mutated
from capture.packets.decode import ETHERNET, UDP, Header, decode
from capture.packets.files import PacketFile

TRAPS: Final = tuple(
    bytes.fromhex(each)
    for each in (
        (
            "306f02010004067075626c6963a46206062b06010401094004c0000207020102020100430210683048300f060a2b060102010202"
            "0101030201033012060a2b060102010202010203040465746833300f06082b06010201010100040300ff10301006082b06010401"
            "0909014004c0000209"
        ),
        (
            "304c02010004067075626c6963a43f06062b06010401094004c000020702010602014d430210683025300f060a2b060102010202"
            "0101030201033012060a2b060102010202010203040465746833"
        ),
        (
            "3081b502010104067075626c6963a781a70204042b5463020100020100308198300e06082b06010201010300430210683017060a"
            "2b06010603010104010006092b0601060301010503300f060a2b0601020102020101030201033012060a2b060102010202010203"
            "040465746833300f06082b06010201010100040300ff10301006082b060104010909014004c0000209301206082b060104010909"
            "0206062b0601040109301106082b060104010909034605104c533c00"
        ),
        (
            "3081fb0201033011020445de7c0f020300ffe30401000201030421301f040980000000010203040a020101020313fd9404066e6f"
            "626f6479040004003081bf041180001f888031363a3a56610b6b000000000400a781a7020468da9de1020100020100308198300e"
            "06082b06010201010300430210683017060a2b06010603010104010006092b0601060301010503300f060a2b0601020102020101"
            "030201033012060a2b060102010202010203040465746833300f06082b06010201010100040300ff10301006082b060104010909"
            "014004c0000209301206082b0601040109090206062b0601040109301106082b060104010909034605104c533c00"
        ),
        (
            "3081c50201033011020426b5f3cd020300ffe304010102010304383036040980000000010203040a020101020313fd980405616c"
            "69636504188c1b96880ca1bf7f20969daa1d941c024f50c42ab0011e2904003073041180001f888031363a3a56610b6b00000000"
            "0400a75c02045045bead020100020100304e300e06082b06010201010300430210683017060a2b06010603010104010006092b06"
            "01060301010504300f060a2b0601020102020101030201033012060a2b060102010202010203040465746833"
        ),
        (
            "3081cf020103301102041eaa90a3020300ffe30401030201030440303e040980000000010203040a020101020313fd9b0405616c"
            "6963650418bc0b6e875506883342a4d3e5427841b1d617f7ccacb1bfe30408708a2b698dc1ead5047567ea40f3ccaa07294ad961"
            "eea47a86fe658d0a7fcce982f89675feae6b392412390766f09bfaa4d983a3c92dac47a621f14eb2bc9c84cf6d3e116cb4101a21"
            "1d20c0675cd9f7b5a7b4ea8f7b79ae6a15f48b86b386b9a2af99e80ea9f39ec00474838a256f2293f45fb59df59a733a47e167af"
            "1fa8"
        ),
        (
            "306902010104067075626c6963a65c0204232dc591020100020100304e300e06082b06010201010300430210683017060a2b0601"
            "0603010104010006092b0601060301010503300f060a2b0601020102020101030201033012060a2b060102010202010203040465"
            "746833"
        ),
    )
)
"""A link that goes down, as snmptrap and snmpinform tell of it: versions 1, 2c and 3, an inform last."""

COLLECTED: Final = (
    (
        b'{"type":"NETFLOW_V9","time_received_ns":1700000000000000000,"sampling_rate":10,"sampler_address":"192.0.2.1",'
        b'"time_flow_start_ns":1699999999000000000,"time_flow_end_ns":1700000000000000000,"bytes":1500,"packets":3,'
        b'"src_addr":"10.0.0.1","dst_addr":"2001:db8::1","etype":"IPv4","proto":"TCP","src_port":50000,"dst_port":443,'
        b'"in_if":3,"out_if":4,"src_mac":"02:00:00:00:00:01","dst_mac":"02:00:00:00:00:02","tcp_flags":27}'
    ),
    (
        b'{"IPV4_SRC_ADDR":"10.0.0.1","IPV4_DST_ADDR":"10.0.0.2","L4_SRC_PORT":50000,"L4_DST_PORT":53,"PROTOCOL":17,'
        b'"IN_BYTES":1500,"IN_PKTS":3,"OUT_BYTES":90,"OUT_PKTS":1,"FIRST_SWITCHED":1699999999,"LAST_SWITCHED":1700000000}'
    ),
)
"""As goflow2 and nProbe write them."""

LINES_OF_SYSLOG: Final = (
    b'<34>1 2023-11-14T22:13:20.003Z host.example su 77 ID47 [origin ip="192.0.2.1"] failed for root',
    b"<13>Nov 14 22:13:20 host program[42]: message",
)
WRONG: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 1 << 63, (1 << 64) - 1, 1e308, -0.5, "", "\0", "x" * 5000, [], {}, [[[[]]]], [1], {"a": {}},
    "999.0.0.1", "-1", "2023-99-99T99:99:99Z", "\U0010ffff",
)  # fmt: skip
"""What may stand in place of any value."""


def events() -> Iterator[bytes]:
    """Events that Suricata has written."""
    for path in (*SHARED.glob("telemetry/vast/suricata/eve.json"), *SHARED.glob("telemetry/slips/*.suricata.json")):
        yield from path.read_bytes().splitlines()[:2000]


def damaged_json(chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One of these JSON texts, with members that are missing or of other types, or with damaged bytes."""
    if chance.randrange(2):
        return mutated(chance, corpus)
    value = msgspec.json.decode(chance.choice(corpus))
    for _ in range(chance.randint(1, 4)):
        inside: Any = value
        while True:
            if not inside or not isinstance(inside, dict | list):
                break
            key = chance.choice(list(inside)) if isinstance(inside, dict) else chance.randrange(len(inside))
            if isinstance(inside[key], dict | list) and chance.randrange(3):
                inside = inside[key]
                continue
            if chance.randrange(4):
                inside[key] = deepcopy(chance.choice(WRONG))
            else:
                del inside[key]
            break
    return msgspec.json.encode(value)


def exports(*, of_sflow: bool) -> Iterator[bytes]:
    """Datagrams that exporters have sent, of sFlow or of the others."""
    for place in (*PLACES, *(f"captures/{each}" for each in CAPTURES)):
        named = sorted(path for path in SHARED.glob(place) if ("sflow" in str(path.relative_to(SHARED))) == of_sflow)
        yield from datagrams_of(named)


def answers() -> Iterator[bytes]:
    """What name servers have answered."""
    for path in sorted(SHARED.glob("captures/dns-*.pcap")):
        with PacketFile(str(path)) as packets:
            for _, _, link, buffer, start, end in packets.packets():
                header = decode(link, buffer, start, end)
                if isinstance(header, Header) and header.protocol == UDP and header.ports[:2] == b"\x00\x35":
                    yield buffer[start + header.transport + 8 : end]


def frames(most: int) -> Iterator[bytes]:
    """Ethernet frames of every capture, so many of each at most."""
    for path in sorted(SHARED.glob("captures/*.pcap*")):
        with PacketFile(str(path)) as packets:
            found = (buffer[start:end] for _, _, link, buffer, start, end in packets.packets() if link == ETHERNET)
            yield from islice(found, most)
