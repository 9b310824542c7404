"""What this script looks for, and what it does when it finds it.

A session monitor sees flows: when they begin, go on and end, and those of each window (a minute of the
traffic's own time) once it has ended. A hook that is not written costs nothing: keep the ones you need.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

from tapline import Flow, Params, SessionMonitor


class Skeleton(SessionMonitor):
    """Alerts on a flow that has moved many bytes."""

    name = "skeleton"

    # Which flows it sees; a flow that does not match costs nothing. Empty: all.
    l4_proto = "TCP"  # TCP, UDP, ICMP …
    l7_proto = ""  # as nDPI names it, in full or in part: TLS, Google, TLS.Google, SSH …

    class params(Params):
        """Set them under `workers.params.skeleton` in tapline.yaml, or with `tapline try --param max_bytes=…`."""

        max_bytes: int = 10_000_000

    def on_flush(self, flow: Flow) -> None:
        """Each flow that had packets in the window that has ended; `delta_…` is of the window, `total_…` so far."""
        if flow.total_bytes > self.params.max_bytes:
            # The same alert on the same flow is raised once, however often it is flushed.
            self.alert("large-flow", flow, f"{flow.total_bytes:,} bytes, limit {self.params.max_bytes:,}")
            self.tag(flow, "large")

    # def on_load(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def on_unload(self) -> None:
    #     """End: close what on_load opened."""

    # def on_new_flow(self, flow: Flow) -> None:
    #     """A flow's first record, as it comes."""

    # def on_update(self, flow: Flow) -> None:
    #     """A record of a flow that goes on."""

    # def on_terminate(self, flow: Flow) -> None:
    #     """A flow's last record."""

    # def on_begin_flush(self, window: int) -> None:
    #     """Before the flows of a window; `window` is its start in epoch seconds."""

    # def flush_filter(self, flow: Flow) -> bool:
    #     """False votes to keep the flow from on_flush of all scripts; it is kept when all filters say so."""

    # def on_end_flush(self, window: int) -> None:
    #     """After the flows of a window."""

    # def on_metronome(self, second: int) -> None:
    #     """Each second of the traffic's time."""
