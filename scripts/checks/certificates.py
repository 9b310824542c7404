"""Certificates that servers show, judged at the time of the flow that carried them."""

from fnmatch import fnmatchcase

from tapline import Params
from tapline.checks import Gui, ResourceCheck
from tapline.checks.gui import NumberInput
from topics.records import Certificate, Resource

DAY = 86_400_000_000
"""Microseconds."""


def leaf(resource: Resource) -> Certificate | None:
    """The server's own certificate, if the resource is that."""
    certificate = resource.x509
    return certificate if certificate is not None and certificate.position == 0 else None


class CertificateExpired(ResourceCheck):
    """A certificate was no longer valid when it was shown."""

    name = "certificate_expired"
    group = "x509"
    gui = Gui(title="Certificate expired")
    score = 100

    def on_new_resource(self, resource: Resource) -> None:
        certificate = leaf(resource)
        if certificate is not None and certificate.not_after < resource.time:
            days = (resource.time - certificate.not_after) / DAY
            self.found(resource, f"{certificate.subject} expired {days:.0f} days ago", on_server=True)


class CertificateNotYetValid(ResourceCheck):
    """A certificate was not valid yet when it was shown."""

    name = "certificate_not_yet_valid"
    group = "x509"
    gui = Gui(title="Certificate not valid yet")
    score = 100

    def on_new_resource(self, resource: Resource) -> None:
        certificate = leaf(resource)
        if certificate is not None and certificate.not_before > resource.time:
            days = (certificate.not_before - resource.time) / DAY
            self.found(resource, f"{certificate.subject} is valid in {days:.0f} days", on_server=True)


class CertificateAboutToExpire(ResourceCheck):
    """A certificate expires within days."""

    name = "certificate_about_to_expire"
    group = "x509"
    gui = Gui(title="Certificate about to expire", inputs=(NumberInput(param="days", minimum=1),))
    category = "system"
    score = 50

    class params(Params):
        """``days`` before its end."""

        days: int = 30

    def on_new_resource(self, resource: Resource) -> None:
        certificate = leaf(resource)
        if certificate is None:
            return
        days = (certificate.not_after - resource.time) / DAY
        if 0 <= days < self.params.days:
            self.found(resource, f"{certificate.subject} expires in {days:.0f} days", on_server=True)


class CertificateSelfSigned(ResourceCheck):
    """A server shows a certificate that nobody but itself vouches for."""

    name = "certificate_self_signed"
    group = "x509"
    gui = Gui(title="Certificate self-signed")
    score = 100

    def on_new_resource(self, resource: Resource) -> None:
        certificate = leaf(resource)
        if certificate is not None and certificate.self_signed:
            self.found(resource, f"{certificate.subject} is signed by itself", on_server=True)


class CertificateMismatch(ResourceCheck):
    """A certificate is not for the name that was asked for."""

    name = "certificate_mismatch"
    group = "x509"
    gui = Gui(title="Certificate of another name")
    score = 100

    def on_new_resource(self, resource: Resource) -> None:
        certificate = leaf(resource)
        if certificate is None or not certificate.server_name:
            return
        names = certificate.alternative_names or [common_name(certificate.subject)]
        if not any(is_for(name, certificate.server_name) for name in names):
            shown = ", ".join(names[:5])
            self.found(resource, f"asked for {certificate.server_name}, the certificate is for {shown}", on_server=True)


class CertificateValidityTooLong(ResourceCheck):
    """A certificate is valid for longer than browsers accept."""

    name = "certificate_validity_too_long"
    group = "x509"
    gui = Gui(title="Certificate valid for too long", inputs=(NumberInput(param="days", minimum=1),))
    score = 50

    class params(Params):
        """``days`` from its beginning to its end: 13 months and a little (CA/Browser Forum)."""

        days: int = 398

    def on_new_resource(self, resource: Resource) -> None:
        certificate = leaf(resource)
        if certificate is None:
            return
        days = (certificate.not_after - certificate.not_before) / DAY
        if days > self.params.days:
            self.found(resource, f"{certificate.subject} is valid for {days:.0f} days", on_server=True)


class CertificateWeak(ResourceCheck):
    """A certificate whose key or signature can be forged."""

    name = "certificate_weak"
    group = "x509"
    gui = Gui(title="Weak certificate", inputs=(NumberInput(param="rsa_bits", minimum=512),))
    score = 100

    class params(Params):
        """Fewest bits of an RSA or DSA key, and of one on an elliptic curve."""

        rsa_bits: int = 2048
        curve_bits: int = 224

    def on_new_resource(self, resource: Resource) -> None:
        certificate = leaf(resource)
        if certificate is None:
            return
        why = self.weakness(certificate)
        if why:
            self.found(resource, f"{certificate.subject}: {why}", on_server=True)

    def weakness(self, certificate: Certificate) -> str:
        """What is weak, empty when nothing is."""
        signature = certificate.signature_algorithm.lower()
        if not certificate.self_signed and ("md5" in signature or "md2" in signature or "sha1" in signature):
            return f"signed with {certificate.signature_algorithm}"
        kind, bits = certificate.public_key_algorithm, certificate.public_key_size
        fewest = {"RSA": self.params.rsa_bits, "DSA": self.params.rsa_bits, "EC": self.params.curve_bits}.get(kind, 0)
        return f"{kind} key of {bits} bits" if 0 < bits < fewest else ""


def common_name(subject: str) -> str:
    """The common name in a subject as RFC 4514 writes it."""
    for part in subject.split(","):
        name, _, value = part.strip().partition("=")
        if name.upper() == "CN":
            return value
    return ""


def is_for(name: str, asked: str) -> bool:
    """True when a certificate's name is for the one asked for; ``*`` stands for one label (RFC 9525)."""
    name, asked = name.lower().rstrip("."), asked.lower().rstrip(".")
    if name.startswith("*."):
        return asked.count(".") == name.count(".") and fnmatchcase(asked, name)
    return name == asked
