"""Ask OCSP responders about certificate chains without holding up the stream, and alert on what is not good.

Attaches to the documents of SSL certificate chains by the group's GUID. A pair of certificates is asked
about once an hour of event time. Alerts go to the Blacklist group: ``NO-OCSP`` when the server's
certificate names no responder, ``OCSP-FAILED`` when the answer is not "good" or does not come.

``run_async`` hands the question to a thread; the answer comes back to :meth:`Checks.judge` on the stream.
The thread gets all it needs as arguments and touches nothing of the script. The original writes the
certificates into files, starts a program through a shell, and goes on after ``NO-OCSP`` until it
falls over; this one asks by itself and stops there. What was asked when is kept in the store, which lasts
when a worker ends and another takes over; each instance has its own.
"""

import hashlib
from functools import partial

from cryptography.hazmat.primitives.hashes import SHA256

from scripts.samples._ocsp import Answer, Chain, ask, chain_of
from tapline import Document, FullTextMonitor, Params

HOUR = 3600 * 1_000_000


class Checks(FullTextMonitor):
    """Raises ``NO-OCSP`` and ``OCSP-FAILED`` about the connection a chain was sent over."""

    name = "ocsp_check_async"
    group = "{9FEB8ADE-ADBB-49AD-BC68-C6A02F389C71}"

    class params(Params):
        """``responder`` is asked in place of the one a certificate names; ``timeout`` is in seconds."""

        responder: str = ""
        timeout: float = 5.0

    def on_new_document(self, document: Document) -> None:
        """Have it asked, unless it was in the last hour."""
        chain = chain_of(document.text)
        if chain is None or not self.is_due(chain, document.time):
            return
        subject = chain.certificate.subject.rfc4514_string()
        if not chain.responder:
            self.report(document, "NO-OCSP", f"{subject} names no OCSP responder")
        elif chain.issuer is not None:
            responder = self.params.responder or chain.responder
            then = partial(self.judge, document, subject)
            self.run_async(ask, responder, chain.certificate, chain.issuer, self.params.timeout, then=then)

    def judge(self, document: Document, subject: str, answer: Answer) -> None:
        """The answer is here."""
        print(f"{subject} from {document.destination_ip}: {answer.text}")
        if not answer.good:
            self.report(document, "OCSP-FAILED", f"{subject}: {answer.text}")

    def is_due(self, chain: Chain, time: int) -> bool:
        """True for a pair that was not asked about in the hour before; it is asked about now."""
        pair = [chain.certificate] if chain.issuer is None else [chain.certificate, chain.issuer]
        digest = hashlib.sha256(b"".join(each.fingerprint(SHA256()) for each in pair)).hexdigest()
        last = self.store.get(digest)
        if last is not None and time - last < HOUR:
            return False
        self.store[digest] = time
        return True

    def on_end_flush(self, window: int) -> None:
        """Forget what is due again anyway."""
        before = window * 1_000_000 - HOUR
        for digest in [digest for digest, time in self.store.items() if time <= before]:
            del self.store[digest]

    def report(self, document: Document, signature: str, message: str) -> None:
        """Raise an alert."""
        self.alert(
            "ocsp",
            document,
            message,
            group="{5E97C3A3-41DB-4E34-92C3-87C904FAB83E}",
            signature=signature,
            priority=1,
        )
