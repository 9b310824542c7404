"""The risks that nDPI finds, as records name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.nfstream_engine.risks import NAMES, risks_of
from tests.unit.capture.sinks import flows_of
from tests.unit.capture.wire import ACK, PSH, SYN, Frame, tcp, udp

_ROOT = Path(__file__).parents[3]
A, B = "192.0.2.1", "198.51.100.2"
START = 1_700_000_000_000_000


def test_bits_are_named_in_the_order_of_their_numbers() -> None:
    assert risks_of(0) == ()
    assert risks_of(1 << 9 | 1 << 6) == ("tls_selfsigned_certificate", "tls_certificate_expired")
    assert risks_of(1 << 63) == ()


def test_the_reference_page_names_the_risks_of_the_library_at_hand() -> None:
    page = (_ROOT / "docs" / "reference" / "flow-risks.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| ") and "`" in line]

    assert {int(number): name.strip(" `") for number, name in rows} == NAMES


@pytest.mark.parametrize("agent", ["curl/8.0", "() { :; }; /bin/true"])
def test_a_flow_says_what_ndpi_finds(tmp_path: Path, agent: str) -> None:
    request = f"GET /a?q=<script>alert(1)</script> HTTP/1.1\r\nHost: 198.51.100.2\r\nUser-Agent: {agent}\r\n\r\n"
    packets = [
        tcp(A, B, 40000, 80, SYN),
        tcp(B, A, 80, 40000, SYN | ACK),
        tcp(A, B, 40000, 80, PSH | ACK, request.encode()),
        tcp(B, A, 80, 40000, PSH | ACK, b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
    ]
    (flow,) = flows_of(tmp_path / "in.pcap", [Frame(START + at, each) for at, each in enumerate(packets)]).flows

    assert {"url_possible_xss", "numeric_ip_host"} <= set(flow.risks)
    assert set(flow.risks) <= set(NAMES.values())


def test_a_flow_is_one_way_only_while_nothing_came_back(tmp_path: Path) -> None:
    there, back = udp(A, B, 40000, 9999, b"hello"), udp(B, A, 9999, 40000, b"hello")
    alone = [Frame(START + at, there) for at in range(3)]
    (one_way,) = flows_of(tmp_path / "in.pcap", alone).flows
    (answered,) = flows_of(tmp_path / "in.pcap", [*alone, Frame(START + 9, back)]).flows

    assert "unidirectional_traffic" in one_way.risks
    assert "unidirectional_traffic" not in answered.risks
