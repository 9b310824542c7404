"""Keep the largest flows of some networks.

Every five minutes the hundred flows that moved most bytes to or from these networks are published as one
track; ``protocol`` may narrow it to one transport (``udp``).
"""

from tapline import Flow, FlowTracker, Params
from tapline.lists import NetworkSet


class SubnetTracker(FlowTracker):
    """Ranks flows by their bytes in both directions."""

    name = "subnet_tracker"
    bucket_seconds = 300
    top = 100

    class params(Params):
        """``networks`` in CIDR; an empty ``protocol`` is any."""

        networks: tuple[str, ...] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
        protocol: str = ""

    def on_load(self) -> None:
        """Prepare the networks."""
        self.networks = NetworkSet((network, "") for network in self.params.networks)

    def metric(self, flow: Flow) -> float | None:
        """Bytes of a flow with an end in one of the networks."""
        if self.params.protocol not in {"", flow.transport}:
            return None
        if flow.source_ip in self.networks or flow.destination_ip in self.networks:
            return flow.total_bytes
        return None
