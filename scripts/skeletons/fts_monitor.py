"""What this script looks for, and what it does when it finds it.

A full-text monitor sees texts that flows carried: HTTP headers, certificate chains, DNS messages in
words. A hook that is not written costs nothing: keep the ones you need.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

import re

from tapline import Document, FullTextMonitor, Params


class Skeleton(FullTextMonitor):
    """Alerts on a text in which a pattern is found."""

    name = "skeleton"

    # Which groups it sees: http-headers, certificate-chain, dns; or several of them. Empty: all.
    group = "http-headers"

    class params(Params):
        """Set them under `workers.params.skeleton` in tapline.yaml, or with `tapline try --param pattern=…`."""

        pattern: str = r"(?i)^user-agent: .*(curl|wget|python)"

    pattern: re.Pattern[str]

    def on_load(self) -> None:
        """Begin: what is needed for every document is made ready once."""
        self.pattern = re.compile(self.params.pattern, re.MULTILINE)

    def on_new_document(self, document: Document) -> None:
        """A document, as it comes."""
        found = self.pattern.search(document.text)
        if found is not None:
            self.alert("text-found", document, found[0])

    # def on_begin_flush(self, window: int) -> None:
    #     """Before the documents of a window that has ended; `window` is its start in epoch seconds."""

    # def flush_filter(self, document: Document) -> bool:
    #     """False votes to keep the document from on_flush of all scripts; it is kept when all filters say so."""

    # def on_flush(self, document: Document) -> None:
    #     """Each document of the window."""

    # def on_end_flush(self, window: int) -> None:
    #     """After the documents of a window."""
