"""Watch how well TCP does: time to set up, and what has to be sent again.

Counted for both ends of a connection, apart for what goes on inside of one's own networks and what leaves
them. A flow that has more than ``poor_percent`` of its packets sent again is tagged ``poor-quality``.
"""

from tapline import CounterGroup, Flow, Meter, Params, SessionMonitor

QUALITY = CounterGroup(
    "TCP Quality",
    (
        Meter("setup_internal", "average", "us", description="handshakes inside"),
        Meter("setup_external", "average", "us", description="handshakes with the outside"),
        Meter("retransmissions_internal"),
        Meter("retransmissions_external"),
        Meter("packets", unit="packets", description="of the same connections"),
    ),
    keys="IP address",
)


class TcpQuality(SessionMonitor):
    """Counts handshake times and retransmissions of hosts."""

    name = "tcp_quality"
    l4_proto = "TCP"

    class params(Params):
        """A flow of fewer than ``least_packets`` is not judged."""

        poor_percent: float = 5.0
        least_packets: int = 20

    window = 0

    def on_begin_flush(self, window: int) -> None:
        """Note which window the flows belong to."""
        self.window = window

    def on_flush(self, flow: Flow) -> None:
        """Count what came in this window."""
        inside = self.is_local(flow.source_ip) and self.is_local(flow.destination_ip)
        where = "internal" if inside else "external"
        meters = {"packets": flow.delta_packets, f"retransmissions_{where}": flow.delta_retransmissions}
        if self.window <= (flow.start + flow.setup_rtt_us) // 1_000_000 < self.window + 60 and flow.setup_rtt_us:
            meters[f"setup_{where}"] = flow.setup_rtt_us
        for ip in (flow.source_ip, flow.destination_ip):
            self.count(QUALITY, ip, **meters)
        packets = flow.total_packets
        if (
            packets >= self.params.least_packets
            and flow.total_retransmissions * 100 > self.params.poor_percent * packets
        ):
            self.tag(flow, "poor-quality")
