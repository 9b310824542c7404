"""What cannot be used."""

from __future__ import annotations


class NetflowError(ValueError):
    """A part of a datagram that does not keep to its format; ``reason`` is a short word to count it by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
