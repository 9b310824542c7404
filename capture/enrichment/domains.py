"""Which names addresses were looked up by (passive DNS)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final

from capture.packets.dns import Answer, DnsError, read_answer

MOST: Final = 200_000
"""So many are remembered, of each answered address one for who asked and one for all; together they take 60 MB."""

_SHORTEST: Final = 60
"""Seconds that a name is remembered at least: programs use an address for longer than a few seconds' validity."""

_MICROSECONDS: Final = 1_000_000


class Domains:
    """Learns names from answers, and forgets them when they are no longer valid, by event time.

    A client is told the name that it has asked for itself, where it has, else the one that anybody asked for last.
    ``counts`` are what happened since somebody took them: ``names.learned``, ``names.expired``, ``names.evicted`` (for
    want of room) and ``names.malformed`` (answers that are broken).
    """

    def __init__(self, most: int = MOST) -> None:
        self.counts: Counter[str] = Counter()
        self._most = most
        self._names: OrderedDict[bytes, tuple[str, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    def take(self, client: bytes, message: bytes, now: int) -> None:
        """Learn from a message that was sent to this client (packed address) at this time (epoch microseconds)."""
        try:
            answer = read_answer(message)
        except DnsError:
            self.counts["names.malformed"] += 1
            return
        if answer is not None:
            self._learn(client, answer, now)

    def find(self, address: bytes, client: bytes, now: int) -> str:
        """The name of an address (packed) as this client knows it; empty where none is known."""
        return self._find(client + address, now) or self._find(address, now)

    def _learn(self, client: bytes, answer: Answer, now: int) -> None:
        names = self._names
        for address, ttl in answer.addresses:
            known = (answer.name, now + max(ttl, _SHORTEST) * _MICROSECONDS)
            # Whoever asks by IPv4 for an address of IPv6 uses it from another address, which is not known.
            for key in (client + address, address) if len(client) == len(address) else (address,):
                if names.pop(key, None) is None:
                    self.counts["names.learned"] += 1
                names[key] = known
        while len(names) > self._most:
            _, (_, until) = names.popitem(last=False)
            self.counts["names.evicted" if until > now else "names.expired"] += 1

    def _find(self, key: bytes, now: int) -> str:
        known = self._names.get(key)
        if known is None:
            return ""
        name, until = known
        if until > now:
            return name
        del self._names[key]
        self.counts["names.expired"] += 1
        return ""
