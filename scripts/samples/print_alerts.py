"""Print the alerts of the Blacklist group as they come.

The smallest alert script. It attaches by the group's GUID, as Trisul's original does; the name
``Blacklist`` would do as well. To see it at work, run it beside ``ssh_alerts``, which raises such alerts.
"""

from datetime import UTC, datetime

from tapline import Alert, AlertMonitor


class PrintBlacklistAlerts(AlertMonitor):
    """Prints one line an alert: when, both ends, and what it says."""

    name = "print_alerts"
    group = "{5E97C3A3-41DB-4E34-92C3-87C904FAB83E}"

    def on_new_alert(self, alert: Alert) -> None:
        """Print one line."""
        seconds = alert.time // 1_000_000
        print(
            f"{seconds} {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} "
            f"{alert.source_ip}:{alert.source_port} -> {alert.destination_ip}:{alert.destination_port} "
            f"signature={alert.signature} classification={alert.classification or '-'} "
            f"priority={alert.priority} {alert.message}"
        )
