"""Every other service that the library Apprise knows."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from exporters.recipients.notification import Message
from exporters.recipients.senders.sender import Sender, Unavailable
from exporters.recipients.settings import Apprise
from tapline.process.secrets import secret
from topics.errors import TaplineError


class AppriseSender(Sender):
    """Sends messages through Apprise.

    It says whether a message was delivered and no more, so every failure is worth another attempt. Nothing is kept on
    disk, and what it logs is not shown, since it may name secrets.
    """

    most_text: ClassVar[int] = 5000

    def __init__(self, recipient: Apprise) -> None:
        self._recipient = recipient
        self._service: Any = None

    def open(self) -> None:
        # Here, as it takes a while to load.
        import apprise  # noqa: PLC0415

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        name = f"recipient {self._recipient.name}"
        asset = apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY, async_mode=False)
        self._service = apprise.Apprise(asset=asset)
        if not self._service.add(secret(self._recipient.url, f"{name}: url")):
            raise TaplineError(f"{name}: its url is none that Apprise knows: see github.com/caronc/apprise/wiki")

    def send(self, message: Message) -> None:
        kind = "success" if message.event == "released" else "failure" if message.severity >= 6 else "warning"
        if not self._service.notify(
            title=message.title, body=message.text or message.title, notify_type=kind, body_format="text"
        ):
            raise Unavailable("not-delivered", "Apprise could not deliver it, and does not say why")
