"""Certificates that Suricata tells of in words, of which most come again."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from capture.eve.decoder import EveDecoder
from capture.source import observe_live
from tests.unit.capture_eve.test_decoder import event, made
from topics.records import Certificate

BODY = {
    "sni": "a.example", "version": "TLS 1.2", "subject": "CN=a.example", "issuerdn": "CN=CA", "serial": "0A:0B",
    "fingerprint": "2D:D1", "notbefore": "2026-01-01T00:00:00", "notafter": "2027-01-01T00:00:00",
    "subjectaltname": ["a.example"],
}  # fmt: skip


def certificate(**changed: object) -> Certificate:
    found = made(event("tls", BODY | changed))[-1].x509
    assert isinstance(found, Certificate)
    return found


@pytest.mark.parametrize(
    ("told", "member", "expected"),
    [
        ({"subject": "CN=b"}, "subject", "CN=b"),
        ({"issuerdn": "CN=b"}, "issuer", "CN=b"),
        ({"issuerdn": "CN=a.example"}, "self_signed", True),
        ({"serial": "0C"}, "serial_number", "0c"),
        ({"fingerprint": "2D:D2"}, "sha1", "2dd2"),
        ({"notbefore": "2026-01-01T00:00:01"}, "not_before", 1_767_225_601_000_000),
        ({"notafter": "2026-01-01T00:00:02"}, "not_after", 1_767_225_602_000_000),
        ({"subjectaltname": ["b.example"]}, "alternative_names", ["b.example"]),
        ({"sni": "b.example"}, "server_name", "b.example"),
    ],
)
def test_one_that_differs_in_anything_is_told_as_it_is(told, member, expected):
    before = certificate()
    assert certificate() == before
    other = certificate(**told)
    assert getattr(other, member) == expected != getattr(before, member)
    assert certificate() == before


@pytest.mark.parametrize(("size", "count"), [(500_000, 40), (1_500, 6_000)], ids=["long", "many"])
def test_what_is_remembered_is_bounded(size, count):
    decoder = EveDecoder(observe_live("node", "udp://127.0.0.1:514", 1))
    tracemalloc.start()
    try:
        for number in range(count):
            body = BODY | {"fingerprint": f"{number:040x}", "subject": "x" * size}
            assert len(decoder.decode(json.dumps(event("tls", body)), "peer", "id")) == 3
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10_000_000
