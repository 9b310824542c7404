"""What one line has to know of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from capture.tshark.recent import Recent
from capture.zeek.logs import FileLine, SslLine

LIMIT: Final = 200_000
"""Connections, certificates and files remembered at most; what was used least lately is forgotten first."""

Hashes = tuple[str, str, str]
"""MD5, SHA-1 and SHA-256 of a file."""


class Chained(NamedTuple):
    """Where a certificate was shown: by whom to whom, in which place of the chain, when asked for which name."""

    ends: dict[str, Any]
    position: int
    server_name: str


class Joins:
    """Remembers who was connected, and which certificates and files there were.

    Connections are known by ``uid``, certificates by their file's id or their fingerprint, hashes by the file's id.
    """

    def __init__(self, forgotten: Callable[[str], None]) -> None:
        self._connections: Recent[dict[str, Any]] = Recent(LIMIT, lambda _: forgotten("forgotten.connection"))
        self._chains: Recent[Chained] = Recent(LIMIT, lambda _: forgotten("forgotten.certificate"))
        self._hashes: Recent[Hashes] = Recent(LIMIT, lambda _: forgotten("forgotten.file"))

    def connection(self, uid: str, ends: dict[str, Any]) -> None:
        """A connection of this id is between these ends."""
        if uid and ends:
            self._connections.put(uid, ends)

    def handshake(self, line: SslLine, ends: dict[str, Any]) -> None:
        """These certificates were shown in a handshake."""
        for chain in (
            line.cert_chain_fuids,
            line.cert_chain_fps,
            line.client_cert_chain_fuids,
            line.client_cert_chain_fps,
        ):
            for position, name in enumerate(chain[:_LONGEST]):
                self._chains.put(name.lower(), Chained(ends, position, line.server_name))

    def file(self, line: FileLine) -> None:
        """A file of this id has these hashes; only those of certificates are asked for."""
        if line.source in _OF_HANDSHAKES:
            self._hashes.put(line.fuid, (line.md5.lower(), line.sha1.lower(), line.sha256.lower()))

    def ends(self, uid: str) -> dict[str, Any] | None:
        """The ends of a connection."""
        return self._connections.get(uid)

    def chained(self, name: str) -> Chained | None:
        """Where a certificate was shown, by its file's id or its fingerprint."""
        return self._chains.get(name.lower())

    def hashes(self, fuid: str) -> Hashes | None:
        """The hashes of a certificate's file."""
        return self._hashes.get(fuid)


_LONGEST: Final = 32
_OF_HANDSHAKES: Final = frozenset({"SSL", "DTLS", "QUIC", "RDP"})
