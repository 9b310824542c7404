"""A certificate authority for tests, and openssl's OCSP responder that answers for it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from capture.tshark.certificates import describe, parse
from tests.waiting import wait_for
from topics.records import Document

_DAY = timedelta(days=1)
_NOW = datetime.now(UTC).replace(microsecond=0)
REVOKED_AT = _NOW - _DAY
TIME = 1_700_000_050_000_000


class Authority:
    """A root that issues certificates and keeps openssl's index of them in ``folder``.

    ``url`` is where its responder is while there is one. It knows what was issued before it was started.
    """

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        self.index = folder / "index.txt"
        self.index.touch()
        self.write("ca", self.certificate, self.key)

    def issue(self, name: str, *, revoked: bool = False, responder: str = "") -> x509.Certificate:
        """A server's certificate, that names a responder or none."""
        extensions: list[x509.ExtensionType] = [x509.SubjectAlternativeName([x509.DNSName(name)])]
        if responder:
            location = x509.UniformResourceIdentifier(responder)
            extensions.append(
                x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, location)])
            )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._sign(subject, ec.generate_private_key(ec.SECP256R1()), *extensions)
        expires = f"{made.not_valid_after_utc:%y%m%d%H%M%SZ}"
        state = f"R\t{expires}\t{REVOKED_AT:%y%m%d%H%M%SZ},keyCompromise" if revoked else f"V\t{expires}\t"
        with self.index.open("a") as file:
            file.write(f"{state}\t{_hexadecimal(made.serial_number)}\tunknown\t/CN={name}\n")
        return made

    def appoint(self, name: str, *usages: x509.ObjectIdentifier) -> None:
        """Write ``name.pem`` and ``name.key``: somebody who may sign what these usages say."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = [x509.ExtendedKeyUsage(usages)] if usages else []
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.write(name, self._sign(subject, key, *extensions), key)

    def write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """Write both as PEM."""
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (self.folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    @contextmanager
    def responder(self, signer: str = "ca") -> Iterator[str]:
        """A responder whose answers ``signer`` signs, and its URL."""
        log = self.folder / "responder.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(
                        "openssl",
                        "ocsp",
                        "-port",
                        self.url.split(":")[2].strip("/"),
                        "-index",
                        str(self.index),
                        "-ndays",
                        "1",
                    ),
                    *("-CA", str(self.folder / "ca.pem"), "-rsigner", str(self.folder / f"{signer}.pem")),
                    *("-rkey", str(self.folder / f"{signer}.key")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                wait_for(lambda: "waiting for OCSP client" in log.read_text(), "the responder")
                yield self.url
            finally:
                process.terminate()
                process.wait(10)

    def asked(self) -> int:
        """How many questions a responder has had since it was started."""
        return self.folder.joinpath("responder.log").read_text().count("1st line: POST")

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOW - _DAY)
            .not_valid_after(_NOW + 30 * _DAY)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, SHA256())


def chain(name: str, *certificates: x509.Certificate, time: int = TIME) -> Document:
    """The document that a capture makes of these certificates."""
    text = "\n".join(describe(parse(each.public_bytes(Encoding.DER))) for each in certificates)
    return Document(
        id=f"{name}/{time}",
        time=time,
        group="certificate-chain",
        key=name,
        text=text,
        source_ip="10.0.0.7",
        source_port=50123,
        destination_ip="192.0.2.43",
        destination_port=443,
        transport="tcp",
        community_id=f"1:{name}",
    )


OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING
SERVER = ExtendedKeyUsageOID.SERVER_AUTH


def _hexadecimal(number: int) -> str:
    """As openssl writes a serial number: whole bytes, upper case."""
    digits = f"{number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)
