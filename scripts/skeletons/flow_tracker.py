"""Which flows this script keeps track of, and by what.

A flow tracker gives each flow a number. The flows with the largest, over all workers, go to the track topic,
a list for each bucket of time.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

from ipaddress import ip_address, ip_network

from tapline import Flow, FlowTracker, Params


class Skeleton(FlowTracker):
    """The largest flows of a network."""

    name = "skeleton"

    # Which flows it sees; a flow that does not match costs nothing. Empty: all.
    l4_proto = ""
    l7_proto = ""

    # A list of so many flows each so many seconds; whole minutes.
    bucket_seconds = 300
    top = 100

    class params(Params):
        """Set them under `workers.params.skeleton` in tapline.yaml, or with `tapline try --param network=…`."""

        network: str = "10.0.0.0/8"

    def on_load(self) -> None:
        """Begin: what is needed for every flow is made ready once."""
        self.network = ip_network(self.params.network)

    def metric(self, flow: Flow) -> float | None:
        """What the flow is ranked by, each window it had packets in; the largest holds. None leaves it out."""
        if ip_address(flow.source_ip) in self.network or ip_address(flow.destination_ip) in self.network:
            return flow.total_bytes
        return None
