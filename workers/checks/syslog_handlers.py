"""Syslog handlers: messages of logs, by their producers."""

from __future__ import annotations

from typing import Final

from tapline.checks.syslog import SyslogHandler
from topics.records import Document
from workers.checks.item_checks import CheckedItemCore
from workers.scripting.attributes import name_of
from workers.scripting.guard import Hook

SYSLOG: Final = "syslog"
"""The group of documents that are messages of logs."""

EVERY: Final = "*"
"""The producer of a handler that gets all messages."""


class HandledTextCore(CheckedItemCore):
    """The full text monitor of one partition, with the syslog handlers before it."""

    base = SyslogHandler

    def key_of(self, record: Document) -> str | None:
        if record.group != SYSLOG:
            return None
        return record.syslog.producer if record.syslog is not None else record.key

    def wants(self, check: SyslogHandler, key: str) -> bool:
        wanted = check.producer or name_of(type(check))
        return wanted == EVERY or wanted.lower() == key.lower()

    def call_of(self, check: SyslogHandler) -> tuple[str, Hook]:
        return "handle_event", check.receive
