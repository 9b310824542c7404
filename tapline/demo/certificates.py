"""The certificates of the demo: a good chain, a self-signed one and an expired chain, made by openssl."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from topics.errors import TaplineError

OCSP_URI = "http://ocsp.example.com/"
_DAY = timedelta(days=1)

_CONFIGURATION = """
[ca]
default_ca = authority
[authority]
database = {directory}/index.txt
new_certs_dir = {directory}
default_md = sha256
policy = any_subject
unique_subject = no
rand_serial = yes
[any_subject]
countryName = optional
organizationName = optional
commonName = supplied
[req]
distinguished_name = subject
[subject]
"""
_AUTHORITY_EXTENSIONS = (
    "basicConstraints = critical, CA:TRUE",
    "keyUsage = critical, keyCertSign, cRLSign, digitalSignature",
    "subjectKeyIdentifier = hash",
)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its private key, both PEM files, and the folder of what it issued (openssl's index)."""

    certificate: Path
    key: Path
    issued: Path


@dataclass(frozen=True)
class DemoCertificates:
    """All certificates of the demo; a server sends its leaf and, where there is one, the intermediate above it."""

    root: Certificate
    intermediate: Certificate
    good: Certificate
    self_signed: Certificate
    old_intermediate: Certificate
    expired: Certificate


def make_certificates(directory: Path, now: datetime) -> DemoCertificates:
    """Make root, intermediates and leaves under ``directory``; ``now`` (UTC) is the recording's time.

    The good leaf is valid for 397 days from the day before, the expired one ended 30 days ago.
    """
    root = _issue(
        directory / "root",
        subject="/C=NL/O=Tapline Demo/CN=Tapline Demo Root CA",
        key=("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        extensions=_AUTHORITY_EXTENSIONS,
        valid=(now - 1000 * _DAY, now + 2650 * _DAY),
    )
    intermediate = _issue(
        directory / "intermediate",
        subject="/C=NL/O=Tapline Demo/CN=Tapline Demo Intermediate CA 1",
        key=("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        extensions=_AUTHORITY_EXTENSIONS,
        valid=(now - 500 * _DAY, now + 1300 * _DAY),
        issuer=root,
    )
    good = _issue(
        directory / "good",
        subject="/C=NL/O=Example Shop/CN=shop.example.com",
        key=("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        extensions=_leaf_extensions("shop.example.com", "example.com"),
        valid=(now - _DAY, now + 396 * _DAY),
        issuer=intermediate,
    )
    self_signed = _issue(
        directory / "self-signed",
        subject="/O=Storage Box/CN=nas.example.net",
        key=("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        extensions=("subjectAltName = DNS:nas.example.net", "subjectKeyIdentifier = hash"),
        valid=(now - 90 * _DAY, now + 3560 * _DAY),
    )
    old_intermediate = _issue(
        directory / "old-intermediate",
        subject="/C=NL/O=Tapline Demo/CN=Tapline Demo Intermediate CA 0",
        key=("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        extensions=_AUTHORITY_EXTENSIONS,
        valid=(now - 900 * _DAY, now - 10 * _DAY),
        issuer=root,
    )
    expired = _issue(
        directory / "expired",
        subject="/C=NL/O=Example Archive/CN=old.example.org",
        key=("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        extensions=_leaf_extensions("old.example.org"),
        valid=(now - 427 * _DAY, now - 30 * _DAY),
        issuer=old_intermediate,
    )
    return DemoCertificates(root, intermediate, good, self_signed, old_intermediate, expired)


def _leaf_extensions(*names: str) -> tuple[str, ...]:
    return (
        "basicConstraints = critical, CA:FALSE",
        "keyUsage = critical, digitalSignature, keyEncipherment",
        "extendedKeyUsage = serverAuth",
        "subjectKeyIdentifier = hash",
        "authorityKeyIdentifier = keyid",
        f"authorityInfoAccess = OCSP;URI:{OCSP_URI}",
        "subjectAltName = " + ", ".join(f"DNS:{name}" for name in names),
    )


def _issue(
    directory: Path,
    *,
    subject: str,
    key: Sequence[str],
    extensions: Sequence[str],
    valid: tuple[datetime, datetime],
    issuer: Certificate | None = None,
) -> Certificate:
    """Make a key and a certificate signed by ``issuer`` or, without one, by itself."""
    directory.mkdir(parents=True)
    made = Certificate(directory / "certificate.pem", directory / "key.pem", directory)
    (directory / "index.txt").touch()
    (directory / "index.txt.attr").write_text("unique_subject = no\n", encoding="utf-8")
    configuration, request, extension_file = directory / "ca.cnf", directory / "request.pem", directory / "ext.cnf"
    configuration.write_text(_CONFIGURATION.format(directory=directory), encoding="utf-8")
    extension_file.write_text("\n".join(extensions) + "\n", encoding="utf-8")
    _openssl("genpkey", *key, "-out", made.key)
    _openssl("req", "-new", "-config", configuration, "-key", made.key, "-subj", subject, "-out", request)
    signer = (
        ("-config", issuer.issued / "ca.cnf", "-cert", issuer.certificate, "-keyfile", issuer.key)
        if issuer
        else ("-config", configuration, "-selfsign", "-keyfile", made.key)
    )
    begin, end = (moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ") for moment in valid)
    period = ("-startdate", begin, "-enddate", end)
    output = ("-batch", "-notext", "-in", request, "-out", made.certificate, "-extfile", extension_file)
    _openssl("ca", *signer, *period, *output)
    return made


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise TaplineError(f"openssl {arguments[0]} failed: {' '.join(done.stderr.split()) or done.returncode}")
