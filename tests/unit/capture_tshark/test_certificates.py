"""Certificates: what is read from good ones, and what is left of broken ones."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from capture.tshark.certificates import LIMIT, describe, parse

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ed25519.Ed25519PrivateKey.generate()


def name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def certificate(issuer="ca.example", subject="www.example.com", *, signer=KEY, until=2035):
    alternatives = [x509.DNSName("www.example.com"), x509.IPAddress(ip_address("192.0.2.1"))]
    responder = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.example/")
    )
    builder = (
        x509.CertificateBuilder()
        .issuer_name(name(issuer))
        .subject_name(name(subject))
        .public_key(KEY.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC))
        .not_valid_after(datetime(until, 1, 2, 3, 4, 5, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityInformationAccess([responder]), critical=False)
    )
    algorithm = None if signer is OTHER_KEY else hashes.SHA256()
    return builder.sign(signer, algorithm).public_bytes(Encoding.DER)


def test_what_a_certificate_says_of_itself():
    der = certificate()
    parsed = parse(der)
    read = parsed.certificate

    assert not parsed.problem
    assert (read.subject, read.issuer, read.serial_number) == ("CN=www.example.com", "CN=ca.example", "ABCDEF")
    assert read.alternative_names == ["www.example.com", "192.0.2.1"]
    assert (read.public_key_algorithm, read.public_key_size) == ("EC", 256)
    assert (read.signature_algorithm, read.version, read.self_signed) == ("ecdsa-with-SHA256", 3, False)
    assert (read.not_before, read.not_after) == (-1_000_000, 2_051_319_845_000_000)
    assert read.md5 == hashlib.md5(der).hexdigest()
    assert read.sha1 == hashlib.sha1(der).hexdigest()
    assert read.sha256 == hashlib.sha256(der).hexdigest()
    assert x509.load_pem_x509_certificate(parsed.pem.encode()).public_bytes(Encoding.DER) == der
    assert "OCSP - URI:http://ocsp.example/\n" in describe(parsed)
    assert describe(parsed).endswith(parsed.pem)


@pytest.mark.parametrize(
    ("issuer", "signer", "self_signed"),
    [("www.example.com", KEY, True), ("ca.example", KEY, False), ("www.example.com", OTHER_KEY, False)],
    ids=["by itself", "by another name", "by another key under the same name"],
)
def test_self_signed_means_signed_with_its_own_key(issuer, signer, self_signed):
    assert parse(certificate(issuer, signer=signer)).certificate.self_signed is self_signed


def test_a_certificate_far_in_the_future_is_read():
    assert parse(certificate(until=9999)).certificate.not_after == 253_370_862_245_000_000


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01", certificate()[:-40], b"\x30\x82\xff\xff" + bytes(99)])
def test_broken_ones_still_have_hashes(der):
    parsed = parse(der)

    assert parsed.problem == "malformed"
    assert parsed.certificate.sha256 == hashlib.sha256(der).hexdigest()
    assert describe(parsed)


def test_a_huge_one_is_only_hashed():
    parsed = parse(bytes(LIMIT + 1))

    assert (parsed.problem, parsed.pem, parsed.certificate.der) == ("truncated", "", "")
    assert parsed.certificate.sha1 == hashlib.sha1(bytes(LIMIT + 1)).hexdigest()
