"""What this script counts.

A counter group has keys, and of each key some meters. Whatever a script counts in it is there, window by
window (a minute of the traffic's own time), for counter monitors, in Kafka and in Elasticsearch.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

from math import ceil, log10

from tapline import CounterGroup, Flow, Meter, SessionMonitor

# How the samples of a window become its value is the meter's kind:
#   counter  their sum                      gauge        the latest
#   rate     their sum a second             running      their sum since the stream began
#   average  their mean                     delta_rate   readings that only grow: their growth a second
#   maximum, minimum
FLOW_SIZES = CounterGroup(
    "Flow Sizes",
    (
        Meter("flows", unit="flows"),
        Meter("bytes", unit="bytes"),
        Meter("largest", kind="maximum", unit="bytes"),
    ),
    keys="number of digits of a flow's bytes",
)


class Skeleton(SessionMonitor):
    """Counts flows that have ended by their size."""

    name = "skeleton"

    def on_terminate(self, flow: Flow) -> None:
        """A flow's last record."""
        size = flow.total_bytes
        key = str(ceil(log10(size + 1)))
        self.count(FLOW_SIZES, key, flows=1, bytes=size, largest=size)
        # What people call a key is said with self.label, other things about it with self.attribute:
        # self.label(FLOW_SIZES, key, f"below {10 ** int(key):,} bytes")
