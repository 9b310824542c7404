"""TLS handshakes in clear: over TCP, over UDP (DTLS) and in QUIC Initial packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from capture.tshark.certificates import describe, parse
from capture.tshark.ciphers import CIPHERS, VERSIONS
from capture.tshark.frame import Conversation, Frame
from capture.tshark.minting import Mint
from capture.tshark.recent import Recent
from topics.records import Document, Resource, Tls

FILTER = "tls.handshake.type in {1, 2, 11} || dtls.handshake.type in {1, 2, 11}"
FIELDS = tuple(
    f"{protocol}.handshake.{name}"
    for protocol in ("tls", "dtls")
    for name in (
        "type",
        "version",
        "ciphersuite",
        "extensions.supported_version",
        "extensions_server_name",
        "extensions_alpn_str",
        "certificate",
        "ja3",
        "ja3s",
        "ja4",
        "ja4s",
    )
)

_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE = "1", "2", "11"


class _Client(Struct, frozen=True):
    ip: str
    port: int
    server_name: str


class Handshakes:
    """Reads hellos and certificates; remembers of each connection its client and the server's name."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._clients: Recent[_Client] = Recent(forgotten=lambda _: mint.counts.update({"forgotten.tls": 1}))

    def read(self, frame: Frame) -> Iterator[Resource | Document]:
        """The hellos of a frame as TLS sessions, its certificates as certificates and as one chain."""
        for protocol in ("tls", "dtls"):
            types = frame.all(f"{protocol}_handshake_type")
            if _CLIENT_HELLO in types:
                yield self._client_hello(frame, protocol)
            if _SERVER_HELLO in types:
                yield self._server_hello(frame, protocol)
            if _CERTIFICATE in types:
                yield from self._certificates(frame, protocol)

    def _client_hello(self, frame: Frame, protocol: str) -> Resource:
        name = frame.first(f"{protocol}_handshake_extensions_server_name")
        client = frame.conversation
        self._clients.put(frame.stream, _Client(client.source_ip, client.source_port, name))
        offered = _newest(frame.all(_key(protocol, "extensions_supported_version")))
        offered = offered or _number(frame.first(_key(protocol, "version")))
        tls = self._tls(frame, protocol, "client-hello", offered, name)
        return self._resource(frame, frame.conversation, tls)

    def _server_hello(self, frame: Frame, protocol: str) -> Resource:
        chosen = frame.first(_key(protocol, "extensions_supported_version")) or frame.first(_key(protocol, "version"))
        tls = self._tls(frame, protocol, "server-hello", _number(chosen), self._server_name(frame))
        cipher = _number(frame.last(_key(protocol, "ciphersuite")))
        tls.cipher = CIPHERS.get(cipher) or f"0x{cipher:04x}"
        return self._resource(frame, frame.conversation.reversed(), tls)

    def _tls(
        self, frame: Frame, protocol: str, kind: Literal["client-hello", "server-hello"], version: int, name: str
    ) -> Tls:
        return Tls(
            type=kind,
            version=VERSIONS.get(version) or f"0x{version:04x}",
            server_name=name,
            alpn=frame.all(_key(protocol, "extensions_alpn_str")),
            ja3=frame.first(_key(protocol, "ja3")),
            ja3s=frame.first(_key(protocol, "ja3s")),
            ja4=frame.first(_key(protocol, "ja4")),
            ja4s=frame.first(_key(protocol, "ja4s")),
        )

    def _resource(self, frame: Frame, conversation: Conversation, tls: Tls) -> Resource:
        uri = tls.server_name or conversation.destination_ip
        label = " ".join(filter(None, (tls.type, tls.version, tls.cipher)))
        return self._mint.resource(frame, conversation, "tls", uri=uri, label=label, tls=tls)

    def _server_name(self, frame: Frame) -> str:
        client = self._clients.get(frame.stream)
        return client.server_name if client else ""

    def _client_first(self, frame: Frame) -> Conversation:
        """The conversation as the client began it; where its hello was not seen, the higher port is the client's."""
        conversation = frame.conversation
        client = self._clients.get(frame.stream)
        if client:
            by_client = (client.ip, client.port) == (conversation.source_ip, conversation.source_port)
        else:
            by_client = conversation.source_port > conversation.destination_port
        return conversation if by_client else conversation.reversed()

    def _certificates(self, frame: Frame, protocol: str) -> Iterator[Resource | Document]:
        conversation = self._client_first(frame)
        name = self._server_name(frame)
        described: list[str] = []
        subject = ""
        for position, encoded in enumerate(frame.all(_key(protocol, "certificate"))):
            der = bytes.fromhex(encoded)
            parsed = parse(der)
            if parsed.problem:
                self._mint.counts[f"{parsed.problem}.certificate"] += 1
            certificate = msgspec.structs.replace(parsed.certificate, position=position, server_name=name)
            pem = parsed.pem
            subject = subject or certificate.subject
            described.append(describe(parsed))
            yield self._mint.resource(
                frame, conversation, "x509", uri=f"SHA1:{certificate.sha1}", label=pem, x509=certificate
            )
        if described:
            yield self._mint.document(frame, conversation, "certificate-chain", name or subject, "\n".join(described))


def _key(protocol: str, name: str) -> str:
    return f"{protocol}_handshake_{name}"


def _newest(versions: list[str]) -> int:
    # Versions that are no versions are sent on purpose (GREASE, RFC 8701). DTLS counts downwards.
    known = [number for number in map(_number, versions) if number in VERSIONS]
    return max(known, key=lambda number: VERSIONS[number][-3:], default=0)


def _number(text: str) -> int:
    return int(text, 0) if text else 0
