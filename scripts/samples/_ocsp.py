"""Asking an OCSP responder about a certificate (RFC 6960): what the samples ocsp_check and ocsp_check_async share.

What is asked and whom comes from certificates that somebody sent over the network. So the responder
is reached by HTTP alone, without following redirects, for a bounded time and a bounded answer; and the
answer has to be signed by the certificate's issuer or by somebody it has appointed.
"""

from __future__ import annotations

import re
import urllib.request
import warnings
from datetime import UTC, datetime
from http.client import HTTPException
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

LARGEST_ANSWER = 64 * 1024
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Chain(NamedTuple):
    """The first certificate of a chain, the one it was issued by if that was sent too, and whom to ask."""

    certificate: x509.Certificate
    issuer: x509.Certificate | None
    responder: str


class Answer(NamedTuple):
    """Whether the certificate is good, and what was said in words."""

    good: bool
    text: str


def chain_of(text: str) -> Chain | None:
    """The chain in a document's text; ``None`` when it has no certificate that can be read."""
    try:
        with warnings.catch_warnings():
            # What the library finds odd in a stranger's certificate is no news about this program.
            warnings.simplefilter("ignore")
            certificates = [x509.load_pem_x509_certificate(block.encode()) for block in PEM.findall(text)[:2]]
            responder = _responder(certificates[0]) if certificates else ""
    except ValueError:
        return None
    if not certificates:
        return None
    return Chain(certificates[0], certificates[1] if len(certificates) > 1 else None, responder)


def ask(url: str, certificate: x509.Certificate, issuer: x509.Certificate, timeout: float) -> Answer:
    """Ask the responder at ``url``, waiting ``timeout`` seconds at most for each of its packets."""
    if not url.lower().startswith(("http://", "https://")):
        return Answer(good=False, text=f"not asked: {url} is no HTTP address")
    try:
        question = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1()).build()  # noqa: S303 - names the issuer only
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            url, question.public_bytes(Encoding.DER), {"Content-Type": "application/ocsp-request"}
        )
        with _OPENER.open(request, timeout=timeout) as reply:
            answer = ocsp.load_der_ocsp_response(reply.read(LARGEST_ANSWER))
        return _judge(answer, certificate, issuer)
    except (OSError, HTTPException, ValueError, UnsupportedAlgorithm) as error:
        return Answer(good=False, text=f"no answer from {url}: {error}")


def _responder(certificate: x509.Certificate) -> str:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ""
    for description in access:
        location = description.access_location
        if description.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return location.value
    return ""


def _judge(answer: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> Answer:
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return Answer(good=False, text=f"the responder says {answer.response_status.name}")
    if answer.serial_number != certificate.serial_number:
        return Answer(good=False, text="the responder speaks of another certificate")
    if not _is_signed_for(answer, issuer):
        return Answer(good=False, text="the answer is not signed for the issuer")
    if answer.next_update_utc is not None and answer.next_update_utc < datetime.now(UTC):
        return Answer(good=False, text=f"the answer was valid until {answer.next_update_utc:%Y-%m-%d %H:%M:%S}")
    text = f"{answer.certificate_status.name.lower()} as of {answer.this_update_utc:%Y-%m-%d %H:%M:%S}"
    if answer.revocation_time_utc is not None:
        reason = f", {answer.revocation_reason.value}" if answer.revocation_reason else ""
        text += f", revoked {answer.revocation_time_utc:%Y-%m-%d %H:%M:%S}{reason}"
    return Answer(answer.certificate_status is ocsp.OCSPCertStatus.GOOD, text)


def _is_signed_for(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """True when the issuer signed the answer, or one that the issuer lets sign answers."""
    return any(
        _is_signed_by(answer, signer) for signer in [issuer, *answer.certificates] if _may_answer(signer, issuer)
    )


def _may_answer(signer: x509.Certificate, issuer: x509.Certificate) -> bool:
    if signer == issuer:
        return True
    try:
        signer.verify_directly_issued_by(issuer)
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _is_signed_by(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, hashed = signer.public_key(), answer.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and hashed:
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), hashed)
        elif isinstance(key, ec.EllipticCurvePublicKey) and hashed:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(hashed))
        else:
            return False
    except InvalidSignature:
        return False
    return True


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """None: the answer that redirects counts as an error."""


_OPENER = urllib.request.build_opener(_NoRedirects)
