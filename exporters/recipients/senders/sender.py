"""What every service has in common: how a message is handed to it, and the two ways in which that can fail."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from exporters.recipients import markup
from exporters.recipients.notification import Message


class Rejected(Exception):
    """The message is refused for good, and would be each time; ``reason`` is a short word to count it by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Unavailable(Exception):
    """The message is not delivered, and may be later: at the earliest after ``seconds``."""

    def __init__(self, reason: str, detail: str, seconds: float = 0.0) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.seconds = seconds


class Sender(ABC):
    """Hands messages to one recipient. Used from one thread."""

    most_title: ClassVar[int] = 200
    most_text: ClassVar[int] = 10_000

    def open(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Read secrets and files; :class:`TaplineError` says what is wrong with them. No connection is made."""

    def escape(self, text: str) -> str:
        """A value from the network, harmless in the service's markup."""
        return markup.plain(text)

    @abstractmethod
    def send(self, message: Message) -> None:
        """Deliver a message; :class:`Rejected` or :class:`Unavailable` when it was not."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release connections."""
