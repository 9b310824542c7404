"""Ask an OCSP responder about every certificate chain, and print what it says.

Attaches to the documents of SSL certificate chains by the group's GUID. The first certificate of a
chain is the server's, the second the one it was issued by; both are needed to ask. A chain that is
shorter, or whose first certificate names no responder, is left out; the original falls over such.

The question is asked inside the hook, so the stream waits for the answer: this is the simple way, for
a quiet network or a try over a capture. ``ocsp_check_async`` asks off the stream. Both speak with
servers that other people's certificates name; ``responder`` sends all questions to one of your choice.
"""

from scripts.samples._ocsp import ask, chain_of
from tapline import Document, FullTextMonitor, Params


class CheckCertificates(FullTextMonitor):
    """Prints a line for each chain."""

    name = "ocsp_check"
    group = "{9FEB8ADE-ADBB-49AD-BC68-C6A02F389C71}"

    class params(Params):
        """``responder`` is asked in place of the one a certificate names; ``timeout`` is in seconds."""

        responder: str = ""
        timeout: float = 2.0

    def on_new_document(self, document: Document) -> None:
        """Ask, wait, print."""
        chain = chain_of(document.text)
        if chain is None or chain.issuer is None or not chain.responder:
            return
        responder = self.params.responder or chain.responder
        answer = ask(responder, chain.certificate, chain.issuer, self.params.timeout)
        print(f"{chain.certificate.subject.rfc4514_string()} from {document.destination_ip}: {answer.text}")
