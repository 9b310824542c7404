"""Handshakes of the demo capture: who said what, and that a chain stays together."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import tapline.demo
from capture.settings import CaptureSettings
from capture.source import observe_file
from capture.tshark import TsharkSource
from tests.unit.capture_tshark.conversations import Seen

DEMO = Path(tapline.demo.__file__).with_name("demo.pcap")


@pytest.fixture(scope="module")
def demo():
    seen = Seen()
    TsharkSource(observe_file("node", DEMO.name, "ab" * 32), str(DEMO), CaptureSettings()).run(seen)
    return seen


def hellos(demo, kind):
    return [record for record in demo.resources("tls") if record.tls.type == kind]


def test_each_hello_names_the_server_that_the_client_asked_for(demo):
    answered = {record.community_id: record.tls.server_name for record in hellos(demo, "server-hello")}
    asked = {record.community_id: record.tls.server_name for record in hellos(demo, "client-hello")}

    assert answered
    assert answered.items() <= asked.items()


def test_both_hellos_and_the_certificates_begin_with_the_client(demo):
    ends = {}
    for record in demo.resources("tls") + demo.resources("x509"):
        ends.setdefault(record.community_id, set()).add((record.source_ip, record.source_port, record.destination_ip))

    assert all(len(each) == 1 for each in ends.values())
    assert all(record.destination_port == 443 for record in demo.resources("x509"))


def test_ciphers_and_versions_have_names(demo):
    chosen = {(record.tls.version, record.tls.cipher) for record in hellos(demo, "server-hello")}

    assert {version for version, _ in chosen} <= {"TLS 1.2", "TLS 1.3"}
    assert all(cipher.startswith("TLS_") for _, cipher in chosen)
    assert all(len(record.tls.ja3) == 32 for record in hellos(demo, "client-hello"))


def test_a_chain_is_one_document_with_every_certificate_in_it(demo):
    chains = {}
    for record in demo.resources("x509"):
        chains.setdefault((record.community_id, record.time), []).append(record)
    documents = {(document.community_id, document.time): document for document in demo.documents("certificate-chain")}

    assert chains.keys() == documents.keys()
    for key, chain in chains.items():
        assert [record.x509.position for record in chain] == list(range(len(chain)))
        sent = [certificate.public_bytes(Encoding.PEM).decode() for certificate in _certificates(documents[key].text)]
        assert sent == [record.label for record in chain]
        assert documents[key].key == chain[0].x509.server_name


def _certificates(text):
    return x509.load_pem_x509_certificates(text.encode())
