"""What this check finds wrong with flows, and what it counts for.

A flow check sees each flow when its protocol is known, once a minute while it goes on, and at its end. What it finds
is a status of the flow: it counts for a score, which its client and its server share, and may be worth an alert.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

from tapline import Flow, FlowCheck, FlowStatus, Gui, Params


class Skeleton(FlowCheck):
    """Alerts on a flow that has moved many bytes."""

    name = "skeleton"
    gui = Gui(title="Large flow", description="A flow that has moved more bytes than it should.")

    # Which flows it sees; one that is not selected costs nothing. Empty: all.
    l4_proto = "TCP"  # TCP, UDP, ICMP …
    l7_proto = ""  # as nDPI names it, in full or in part: TLS, Google, TLS.Google, SSH …
    three_way_handshake_ok = True  # only TCP flows whose handshake was seen whole
    local_only = False  # one end in workers.local_networks
    risks = ()  # only flows of which nDPI says one of these, as ("tls_weak_cipher",)

    # What it finds. A higher score is worse (0 to 250); severity follows from it.
    status = FlowStatus(name="skeleton", title="Large flow", score=50, client_share=90)
    category = "network"

    # Those of a higher priority are called earlier, and what they found is in flow.score and flow.reasons.
    priority = 0
    default_enabled = True

    class params(Params):
        """Set them for all or for some addresses under `policy`, or with `tapline try --param max_bytes=…`."""

        max_bytes: int = 1_000_000

    def flow_end(self, flow: Flow) -> None:
        """A flow's last record."""
        if flow.total_bytes > self.params.max_bytes:
            # Told once: again only when something worse is found in this flow.
            self.trigger_status(flow, info=f"{flow.total_bytes:,} bytes, limit {self.params.max_bytes:,}")

    # def protocol_detected(self, flow: Flow) -> None:
    #     """Once a flow: when its application is known, or at its end when it never was."""

    # def periodic_update(self, flow: Flow) -> None:
    #     """Once a window for a flow that goes on."""

    # def status_changed(self, flow: Flow) -> None:
    #     """After a record in which another check has set a status that the flow did not have."""

    # def all(self, flow: Flow) -> None:
    #     """In the place of each of these that is not written."""

    # def setup(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def teardown(self) -> None:
    #     """End: close what setup opened."""
