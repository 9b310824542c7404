"""Count flows by their size: how many have bytes of how many digits.

A change in the distribution tells of a scan (more tiny flows) or an exfiltration (more huge ones) where
sums do not. Only flows that have ended are counted.
"""

from tapline import CounterGroup, Flow, Meter, SessionMonitor

SIZES = CounterGroup(
    "Flow Sizes", (Meter("flows"), Meter("bytes", unit="bytes")), keys="decimal digits of the flow's bytes"
)


class FlowSizes(SessionMonitor):
    """Counts ended flows by the number of digits of their bytes."""

    name = "flow_sizes"

    def on_terminate(self, flow: Flow) -> None:
        """Count a flow."""
        self.count(SIZES, f"{len(str(flow.total_bytes))} digits", flows=1, bytes=flow.total_bytes)
