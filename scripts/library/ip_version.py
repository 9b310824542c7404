"""Tag each flow with its version of the Internet Protocol, ``[ipver]4`` or ``[ipver]6``."""

from tapline import Flow, SessionMonitor


class IpVersion(SessionMonitor):
    """Tags flows of the window that has ended."""

    name = "ip_version"

    def on_flush(self, flow: Flow) -> None:
        """Tag a flow."""
        self.tag(flow, f"[ipver]{flow.ip_version}")
