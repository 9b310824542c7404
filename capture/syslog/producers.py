"""Whose a line is: the producer, whose handlers it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from capture.network.addresses import plain_address

FORTINET: Final = "fortinet"
ANY: Final = "*"
_FORTINET_BEGINS: Final = "date="
_KEPT: Final = 10_000


class Producers:
    """Chooses producers by the ``producers`` of the settings.

    The first that applies: a text that begins with ``date=`` is Fortinet's; the entry for the client address that a
    collector put before the line; for the host named in the message; for the sender's address; the application's name
    in lower case; the entry ``*``. Names and addresses are compared whatever their case and spelling.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        self._any = named.get(ANY, "")
        self._named = {plain_address(name) or name.lower(): producer for name, producer in named.items()}
        self._chosen: dict[tuple[str, str, str, str], str] = {}

    def choose(self, text: str, client: str, device: str, peer: str, application: str) -> str:
        """The producer of a line, empty where none applies."""
        if text.startswith(_FORTINET_BEGINS):
            return FORTINET
        key = (client, device, peer, application)
        chosen = self._chosen.get(key)
        if chosen is None:
            if len(self._chosen) >= _KEPT:
                self._chosen.clear()
            chosen = self._chosen[key] = self._choose(*key)
        return chosen

    def _choose(self, client: str, device: str, peer: str, application: str) -> str:
        for name in (client, device, peer):
            if name:
                found = self._named.get(plain_address(name) or name.lower())
                if found:
                    return found
        return application.lower() or self._any
