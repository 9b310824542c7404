"""PagerDuty, by its Events API v2: an episode is an incident."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from exporters.recipients.notification import Message, moment
from exporters.recipients.senders.http import Poster
from exporters.recipients.senders.sender import Rejected, Sender
from exporters.recipients.settings import PagerDuty
from tapline.process.secrets import secret

_ACTIONS: Final = {"released": "resolve", "acknowledged": "acknowledge"}
_SEVERITIES: Final = ("info", "info", "info", "warning", "error", "critical", "critical", "critical")


class PagerDutySender(Sender):
    """Triggers, acknowledges and resolves incidents.

    All that is told of a condition has the key of its episode, so that PagerDuty puts it to the same incident; a
    one-shot alert has its own.
    """

    most_title: ClassVar[int] = 1024

    def __init__(self, recipient: PagerDuty) -> None:
        self._recipient = recipient
        self._poster: Poster | None = None
        self._routing_key = ""

    def open(self) -> None:
        recipient = self._recipient
        self._routing_key = secret(recipient.routing_key, f"recipient {recipient.name}: routing_key")
        self._poster = Poster(recipient.name, recipient.url, recipient.ca_file, recipient.timeout, recipient.proxy)

    def send(self, message: Message) -> None:
        if self._poster is None:
            raise RuntimeError("not open")
        try:
            body = msgspec.json.encode(self._event(message))
        except ValueError as error:
            raise Rejected("template", str(error)) from error
        self._poster.post(body, {"Idempotency-Key": message.key})

    def close(self) -> None:
        if self._poster is not None:
            self._poster.close()

    def _event(self, message: Message) -> dict[str, Any]:
        alert = message.listed[0].alert
        action = _ACTIONS.get(message.event, "trigger")
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": action,
            "dedup_key": message.thread,
            "client": "Tapline",
        }
        if action == "trigger":
            event["payload"] = {
                "summary": message.title,
                "source": alert.entity or alert.node or "tapline",
                "severity": _SEVERITIES[min(max(message.severity, 1), 8) - 1],
                "timestamp": moment(alert.time).isoformat(),
                "component": alert.script,
                "group": alert.category,
                "class": alert.type,
                "custom_details": message.listed[0].document(),
            }
            event["links"] = [{"href": link, "text": link} for link in alert.links if link.startswith("https://")]
        return event
