"""Alert on TLS whose client does not say which server it wants.

Browsers and well-kept programs name the server (RFC 6066, 3); what connects to a bare address often has a reason not
to. The client's hello over QUIC counts as well.
"""

from typing import Any

from tapline import CounterGroup, Meter, PacketMonitor, Params

UNNAMED = CounterGroup("TLS without a name", (Meter("hellos", description="hellos without a server name"),), "server")


class NoServerName(PacketMonitor):
    """Raises ``tls-without-server-name`` on a flow, and tags it; ``local`` says whether one's own servers matter."""

    name = "no_server_name"
    display_filter = "tls.handshake.type == 1 && !tls.handshake.extensions_server_name"

    class params(Params):
        """As of the class."""

        local: bool = False

    def on_packet(self, packet: Any) -> None:
        """Read a hello."""
        ends = self.ends
        self.count(UNNAMED, ends.destination_ip, hellos=1)
        if self.params.local or not self.is_local(ends.destination_ip):
            version = packet.tls.get("handshake_version") if "tls" in packet else None
            message = f"{ends.source_ip} connects to {ends.destination_ip}:{ends.destination_port} and names no server"
            self.alert("tls-without-server-name", ends, message, attributes={"version": str(version or "")})
            self.tag(ends, "no-server-name")
