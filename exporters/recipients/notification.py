"""What a recipient is told: one notification, and the message that is sent of one or many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from exporters.elasticsearch.documents import document
from exporters.recipients.settings import Event
from topics.catalog import NOTIFICATION
from topics.records import Alert

_LAST: Final = 253_370_764_800_000_000

SEVERITIES: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""What the severities of alerts are called, from 1 on; the names are those of syslog (RFC 5424)."""


def moment(time: int) -> datetime:
    """A time of a record, in UTC; what lies beyond the calendar is its last year, or 1970."""
    return datetime.fromtimestamp(min(max(time, 0), _LAST) / 1_000_000, UTC)


def severity_name(severity: int) -> str:
    """What a severity of 1 to 8 is called."""
    return SEVERITIES[min(max(severity, 1), 8) - 1]


class Notification(Struct, frozen=True):
    """What became of an alert.

    ``id`` is the same each time it is published. ``author`` and ``comment`` are who acknowledged the alert, and why.
    """

    id: str
    event: Event
    alert: Alert
    author: str = ""
    comment: str = ""

    def document(self) -> Any:
        """The ECS document of the alert, ready to be encoded."""
        made = document(NOTIFICATION, self.alert, self.alert.stream, self.alert.window)
        if self.event == "acknowledged":
            made.event.id, made.event.action, made.event.type = self.id, self.event, ["change"]
        return made


class Message(Struct, kw_only=True):
    """What is sent as one.

    ``key`` is the same each time the message is sent: by it a receiver knows a repetition. ``count`` is how many
    notifications it tells of, of which ``listed`` are the first.
    """

    key: str
    title: str
    text: str
    listed: list[Notification] = field(default_factory=list)
    count: int = 1

    @property
    def event(self) -> str:
        """What became of the alert, or ``digest`` where there are several."""
        return self.listed[0].event if self.count == 1 else "digest"

    @property
    def severity(self) -> int:
        """The highest severity."""
        return max((each.alert.severity for each in self.listed), default=4)

    @property
    def severity_name(self) -> str:
        """What that is called."""
        return severity_name(self.severity)

    @property
    def thread(self) -> str:
        """What all messages about one condition share: the id of its episode, or the key."""
        return (self.listed[0].alert.episode or self.key) if self.count == 1 else self.key

    def encoded(self) -> bytes:
        """The message as JSON: key, event, title, text, count and the ECS documents.

        :class:`ValueError` when a text cannot be written as JSON (it holds a lone surrogate).
        """
        return msgspec.json.encode(
            {
                "id": self.key,
                "event": self.event,
                "severity": self.severity_name,
                "title": self.title,
                "text": self.text,
                "count": self.count,
                "alerts": [each.document() for each in self.listed],
            }
        )
