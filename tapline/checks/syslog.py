"""Handlers of syslog messages."""

from __future__ import annotations

from typing import ClassVar, Final

from tapline.checks.base import Check
from topics.records import Document

_INFORMATIONAL: Final = 6


class SyslogHandler(Check):
    """Gets the messages of one producer.

    That is ``producer``, or the check's name where that is empty, in any case of letters; ``*`` gets all.
    """

    producer: ClassVar[str] = ""

    def handle_event(self, message: str, host: str, priority: int, event: Document) -> None:
        """A message: its text, who sent it, its syslog severity (0 emergency to 7 debug), and the record it came in.

        Who sent it is an address, or what the message says where there is none.
        """

    def receive(self, event: Document) -> None:
        """Take a message's record: what a worker calls :meth:`handle_event` by."""
        head = event.syslog
        host = event.source_ip or (head.hostname if head else "")
        self.handle_event(event.text, host, head.severity if head else _INFORMATIONAL, event)
