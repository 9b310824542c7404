"""Alert on SSH sessions that moved almost nothing.

A session of a few hundred bytes on port 22 is a banner grab, a scan or a password guess that was cut
off. Two alerts are raised: one in a group this script defines, one in the Blacklist group.

The original looks at every flush, so a session that has just begun is alerted on, and one that lasts
is alerted on each minute. This one waits for the session's end, and alerts once. With ``when`` set to
``above`` it is the other way round: a session is alerted on as soon as it has moved more, for finding
transfers.
"""

from typing import Literal

from tapline import AlertGroup, Flow, Params, SessionMonitor

SSH_ALERTS = AlertGroup("SSH Alerts", "0409EAC7-1E60-43D3-C0FA-A87429F99728", "SSH sessions of an odd size")
BLACKLIST = "{5E97C3A3-41DB-4E34-92C3-87C904FAB83E}"


class ShortSSH(SessionMonitor):
    """Raises ``SSHXFER`` in the groups SSH Alerts and Blacklist."""

    name = "ssh_alerts"
    l4_proto = "TCP"

    class params(Params):
        """A session is alerted on that moved fewer (``below``) or more bytes than ``limit``, both ways, on ``port``."""

        when: Literal["below", "above"] = "below"
        limit: int = 1000
        port: int = 22

    def on_flush(self, flow: Flow) -> None:
        """Look at each flow of the window that has ended."""
        params = self.params
        if params.port not in (flow.source_port, flow.destination_port):
            return
        total = flow.total_bytes
        if params.when == "above":
            if total > params.limit:
                self.report("large-ssh", flow, f"SSH session moved {total} bytes so far")
        elif flow.record == "final" and total < params.limit:
            self.report("short-ssh", flow, f"SSH session moved only {total} bytes")

    def report(self, kind: str, flow: Flow, message: str) -> None:
        """Raise both alerts; a flow that was alerted on before is not alerted on again."""
        value, threshold = flow.total_bytes, self.params.limit
        self.alert(
            kind, flow, message, group=SSH_ALERTS, signature="SSHXFER", priority=1, value=value, threshold=threshold
        )
        self.alert(
            kind,
            flow,
            message,
            group=BLACKLIST,
            signature="SSHXFER",
            classification="attack",
            priority=1,
            status="FIRE",
            value=value,
            threshold=threshold,
        )
