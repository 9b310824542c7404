"""Alert when a server shows a certificate that is signed with SHA-1.

Such signatures can be forged. The alert lists each such certificate of the chain; one that has signed
itself matters only as the server's own, since nobody verifies the signature of a root.
"""

from collections.abc import Iterator

from tapline import Document, FullTextMonitor


class DetectSha1(FullTextMonitor):
    """Raises ``SSLSHA1`` in the User group for a certificate chain."""

    name = "detect_sha1"
    group = "certificate-chain"

    def on_new_document(self, document: Document) -> None:
        """Read a chain."""
        weak = [
            f"{each.get('Subject', '')} by {each.get('Issuer', '')} ({each['Signature Algorithm']})"
            for position, each in enumerate(certificates(document.text))
            if each.get("Signature Algorithm", "").lower().startswith(("sha1with", "ecdsa-with-sha1"))
            and (position == 0 or each.get("Subject") != each.get("Issuer"))
        ]
        if weak:
            message = f"{document.source_ip} was shown a certificate signed with SHA-1: {'; '.join(weak)}"
            self.alert("sha1-certificate", document, message, group="User", signature="SSLSHA1", priority=2)


def certificates(text: str) -> Iterator[dict[str, str]]:
    """What a chain says of each certificate: the lines ``name: value`` before its PEM block."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("-----END"):
            yield facts
            facts = {}
        name, colon, value = line.partition(": ")
        if colon:
            facts.setdefault(name, value)
