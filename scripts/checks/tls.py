"""TLS as client and server agree on it."""

from tapline.checks import Gui, Items, ResourceCheck
from tapline.checks.gui import ItemListInput
from topics.records import Resource

OBSOLETE = frozenset({"SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "DTLS 1.0"})
"""Versions that must not be used (RFC 6176, RFC 7568, RFC 8996)."""

WEAK = ("_NULL_", "EXPORT", "_RC4_", "_DES_", "_DES40_", "_3DES_", "_anon_", "_MD5", "_RC2_", "WITH_NULL")
"""Parts of names of cipher suites that do not protect."""

COMMON_ALPN = frozenset(
    {
        "acme-tls/1",
        "c-webrtc",
        "coap",
        "doq",
        "dot",
        "ftp",
        "grpc-exp",
        "h2",
        "h2c",
        "h3",
        "hq",
        "http/0.9",
        "http/1.0",
        "http/1.1",
        "imap",
        "irc",
        "managesieve",
        "mqtt",
        "nntp",
        "ntske/1",
        "pop3",
        "postgresql",
        "smb",
        "spdy/1",
        "spdy/2",
        "spdy/3",
        "spdy/3.1",
        "stun.nat-discovery",
        "stun.turn",
        "sunrpc",
        "tds/8.0",
        "webrtc",
        "xmpp-client",
        "xmpp-server",
    }
)
"""Protocols that are registered for ALPN or common (IANA)."""


class TlsObsoleteVersion(ResourceCheck):
    """A server chose a version of TLS that must not be used any more."""

    name = "tls_version"
    group = "tls"
    gui = Gui(title="Obsolete TLS version")

    def on_new_resource(self, resource: Resource) -> None:
        tls = resource.tls
        if tls is not None and tls.type == "server-hello" and tls.version in OBSOLETE:
            self.found(
                resource, f"{tls.version} with {tls.server_name or resource.destination_ip}", subtype=tls.version
            )


class TlsWeakCipher(ResourceCheck):
    """A server chose a cipher suite that does not protect."""

    name = "tls_cipher"
    group = "tls"
    gui = Gui(title="Weak TLS cipher")

    def on_new_resource(self, resource: Resource) -> None:
        tls = resource.tls
        if tls is not None and tls.type == "server-hello" and any(part in f"{tls.cipher}_" for part in WEAK):
            self.found(resource, f"{tls.cipher} with {tls.server_name or resource.destination_ip}", subtype=tls.cipher)


class TlsWithoutServerName(ResourceCheck):
    """A client does not say which server it wants, as malware does that knows addresses alone."""

    name = "tls_no_server_name"
    group = "tls"
    gui = Gui(title="TLS without a server name")
    score = 50

    def on_new_resource(self, resource: Resource) -> None:
        tls = resource.tls
        if (
            tls is not None
            and tls.type == "client-hello"
            and not tls.server_name
            and not self.is_local(resource.destination_ip)
        ):
            self.found(resource, f"to {resource.destination_ip}:{resource.destination_port}", subtype="no server name")


class TlsUncommonProtocol(ResourceCheck):
    """A client offers a protocol over TLS that is none of the usual ones."""

    name = "tls_alpn"
    group = "tls"
    gui = Gui(title="Uncommon protocol over TLS", inputs=(ItemListInput(),))
    score = 50

    class params(Items):
        """``items`` are usual here besides."""

    def on_new_resource(self, resource: Resource) -> None:
        tls = resource.tls
        if tls is None or tls.type != "client-hello":
            return
        for protocol in tls.alpn:
            if protocol not in COMMON_ALPN and protocol not in self.params.items and not is_grease(protocol):
                self.found(resource, f"offers {protocol!r:.80}", subtype=protocol[:80])


def is_grease(protocol: str) -> bool:
    """True for a value that clients offer so that servers stay used to unknown ones (RFC 8701)."""
    return len(protocol) == 2 and protocol[0] == protocol[1] and ord(protocol[0]) & 0x0F == 0x0A
