"""What tests of senders tell, and how they send it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from exporters.recipients.notification import Message, Notification
from exporters.recipients.opening import sender_for, wording_for
from exporters.recipients.settings import AnyRecipient
from tests.unit.exporters.samples import alert

DEFAULT_TIMEOUT = 10.0
HOSTILE = (
    '<script>*bold* _it_ [x](http://evil.example) @everyone <!channel> `code` "q" \r\nBcc: eve@example.org\n\x1b[31m'
)


def notification(event: str = "raised", number: int = 1, **changes: object) -> Notification:
    told = msgspec.structs.replace(alert(number, event), **changes)  # type: ignore[arg-type]
    return Notification(told.id, event, told)  # type: ignore[arg-type]


@contextmanager
def sending(recipient: AnyRecipient) -> Iterator[Any]:
    """A function that puts a notification into words and sends it; a machine that is busy has its time."""
    if recipient.timeout == DEFAULT_TIMEOUT:
        recipient = msgspec.structs.replace(recipient, timeout=60.0)
    sender = sender_for(recipient)
    sender.open()
    wording = wording_for(recipient, sender)

    def send(told: Notification) -> Message:
        message = wording.of_one(told)
        sender.send(message)
        return message

    try:
        yield send
    finally:
        sender.close()
