"""Keep the SSH sessions that last longest.

Some last for good reasons; pairs of addresses or networks are whitelisted in either direction. A session
that is not is ranked by its duration in seconds, once it is longer than ``least``.
"""

from tapline import Flow, FlowTracker, Params
from tapline.lists import NetworkSet


class LongSsh(FlowTracker):
    """Ranks SSH sessions by their duration."""

    name = "long_ssh"
    l4_proto = "TCP"
    bucket_seconds = 300
    top = 100

    class params(Params):
        """``whitelist`` has pairs such as ``[["192.0.2.1", "198.51.100.0/24"]]``."""

        whitelist: tuple[tuple[str, str], ...] = ()
        port: int = 22
        least: float = 60.0

    def on_load(self) -> None:
        """Prepare the pairs."""
        self.pairs = [(NetworkSet([(one, "")]), NetworkSet([(other, "")])) for one, other in self.params.whitelist]

    def metric(self, flow: Flow) -> float | None:
        """How long a session lasts that is not whitelisted."""
        if self.params.port not in (flow.source_port, flow.destination_port) or flow.duration < self.params.least:
            return None
        ends = flow.source_ip, flow.destination_ip
        for one, other in self.pairs:
            if (ends[0] in one and ends[1] in other) or (ends[0] in other and ends[1] in one):
                return None
        return flow.duration
