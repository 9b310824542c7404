"""X.509 certificates as they were sent."""

from __future__ import annotations

import base64
import hashlib
import warnings
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, SignatureAlgorithmOID
from msgspec import Struct

from topics.records import Certificate

LIMIT = 64 * 1024
"""Most bytes of a certificate that is read and carried; a larger one is hashed only."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNATURES = {
    SignatureAlgorithmOID.RSA_WITH_MD5: "md5WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "sha1WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA224: "sha224WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA256: "sha256WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "sha384WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "sha512WithRSAEncryption",
    SignatureAlgorithmOID.RSASSA_PSS: "rsassaPss",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "ecdsa-with-SHA1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA224: "ecdsa-with-SHA224",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ecdsa-with-SHA256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ecdsa-with-SHA384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ecdsa-with-SHA512",
    SignatureAlgorithmOID.DSA_WITH_SHA1: "dsaWithSHA1",
    SignatureAlgorithmOID.DSA_WITH_SHA256: "dsa_with_SHA256",
    SignatureAlgorithmOID.ED25519: "ED25519",
    SignatureAlgorithmOID.ED448: "ED448",
}
"""Names of the standards that define them (RFC 3279, 4055, 5758, 8410); any other is its object identifier."""


class Parsed(Struct, frozen=True):
    """A certificate without its place in a chain.

    ``responders`` are the OCSP URLs it names. ``problem`` is ``malformed`` when its DER could not be
    read whole, ``truncated`` when it is larger than :data:`LIMIT`; then there are hashes at least.
    """

    certificate: Certificate
    pem: str
    responders: tuple[str, ...]
    problem: str = ""


@lru_cache(maxsize=1024)
def parse(der: bytes) -> Parsed:
    """Hashes of these bytes, and what they say as far as they can be read."""
    certificate = Certificate(
        md5=hashlib.md5(der, usedforsecurity=False).hexdigest(),
        sha1=hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(der).hexdigest(),
    )
    if len(der) > LIMIT:
        return Parsed(certificate, "", (), "truncated")
    certificate.der = base64.b64encode(der).decode()
    responders: tuple[str, ...] = ()
    problem = ""
    try:
        with warnings.catch_warnings():
            # What the library finds odd in a stranger's certificate is no news about this program.
            warnings.simplefilter("ignore")
            loaded = x509.load_der_x509_certificate(der)
            _fill(certificate, loaded)
            responders = _extensions(certificate, loaded)
    except Exception:  # noqa: BLE001 - a hostile certificate raises whatever it likes
        problem = "malformed"
    return Parsed(certificate, _pem(certificate.der), responders, problem)


def _fill(certificate: Certificate, loaded: x509.Certificate) -> None:
    certificate.version = loaded.version.value + 1
    certificate.serial_number = f"{loaded.serial_number:X}"
    certificate.subject = loaded.subject.rfc4514_string()
    certificate.issuer = loaded.issuer.rfc4514_string()
    certificate.not_before = _microseconds(loaded.not_valid_before_utc)
    certificate.not_after = _microseconds(loaded.not_valid_after_utc)
    oid = loaded.signature_algorithm_oid
    certificate.signature_algorithm = _SIGNATURES.get(oid, oid.dotted_string)
    certificate.self_signed = _is_self_signed(loaded)
    try:
        key = loaded.public_key()
    except (UnsupportedAlgorithm, ValueError):
        certificate.public_key_algorithm = loaded.public_key_algorithm_oid.dotted_string
        return
    match key:
        case rsa.RSAPublicKey():
            certificate.public_key_algorithm, certificate.public_key_size = "RSA", key.key_size
        case dsa.DSAPublicKey():
            certificate.public_key_algorithm, certificate.public_key_size = "DSA", key.key_size
        case ec.EllipticCurvePublicKey():
            certificate.public_key_algorithm, certificate.public_key_size = "EC", key.key_size
        case ed25519.Ed25519PublicKey():
            certificate.public_key_algorithm, certificate.public_key_size = "Ed25519", 256
        case ed448.Ed448PublicKey():
            certificate.public_key_algorithm, certificate.public_key_size = "Ed448", 456
        case _:
            certificate.public_key_algorithm = loaded.public_key_algorithm_oid.dotted_string


def _is_self_signed(loaded: x509.Certificate) -> bool:
    """True when its own key signed it; an algorithm that cannot be checked any more counts by the names alone."""
    if loaded.issuer != loaded.subject:
        return False
    signature, signed = loaded.signature, loaded.tbs_certificate_bytes
    try:
        # verify_directly_issued_by() refuses SHA-1, which most old self-signed certificates have.
        digest, parameters = loaded.signature_hash_algorithm, loaded.signature_algorithm_parameters
        match loaded.public_key():
            case rsa.RSAPublicKey() as key if isinstance(parameters, padding.PKCS1v15 | padding.PSS) and digest:
                key.verify(signature, signed, parameters, digest)
            case ec.EllipticCurvePublicKey() as key if isinstance(parameters, ec.ECDSA):
                key.verify(signature, signed, parameters)
            case dsa.DSAPublicKey() as key if digest:
                key.verify(signature, signed, digest)
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey() as key if not digest:
                key.verify(signature, signed)
            case _:
                return False
    except (InvalidSignature, ValueError):
        return False
    except UnsupportedAlgorithm:
        pass
    return True


def _extensions(certificate: Certificate, loaded: x509.Certificate) -> tuple[str, ...]:
    extensions = loaded.extensions
    try:
        names = extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        certificate.alternative_names = [
            str(name.value.rfc4514_string() if isinstance(name, x509.DirectoryName) else name.value)
            for name in names  # type: ignore[attr-defined]
        ]
    except x509.ExtensionNotFound:
        pass
    try:
        access = extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        description.access_location.value
        for description in access  # type: ignore[attr-defined]
        if description.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(description.access_location, x509.UniformResourceIdentifier)
    )


def _microseconds(moment: datetime) -> int:
    delta = moment - _EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000


def _pem(der: str) -> str:
    lines = [der[at : at + 64] for at in range(0, len(der), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def describe(parsed: Parsed) -> str:
    """A certificate as text that people and scripts read, its PEM last."""
    certificate = parsed.certificate
    lines = [
        f"Subject: {certificate.subject}",
        f"Issuer: {certificate.issuer}",
        f"Serial Number: {certificate.serial_number}",
        f"Not Before: {_date(certificate.not_before)}",
        f"Not After: {_date(certificate.not_after)}",
        f"Signature Algorithm: {certificate.signature_algorithm}",
        f"Public Key: {certificate.public_key_algorithm} {certificate.public_key_size}",
        *(f"Subject Alternative Name: {name}" for name in certificate.alternative_names),
        *(f"OCSP - URI:{url}" for url in parsed.responders),
        f"SHA1: {certificate.sha1}",
        f"SHA256: {certificate.sha256}",
    ]
    return "\n".join([*lines, parsed.pem])


def _date(microseconds: int) -> str:
    try:
        return datetime.fromtimestamp(microseconds / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return ""
