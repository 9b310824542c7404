"""Print the alerts of every group whose name contains ``External IDS``, with all they carry.

Attaches by a pattern, which is searched in the names of all alert groups; the original looks the GUID
up in a function when it is loaded. Alerts here have no acknowledge flag and no second message: their
``action`` and ``attributes`` are printed in their place.
"""

import re
from datetime import UTC, datetime

from tapline import Alert, AlertMonitor

RULE = "-" * 60


class PrintIdsAlerts(AlertMonitor):
    """Prints each alert as a block of lines between two rules."""

    name = "print_alerts2"
    group = re.compile("External IDS")

    def on_new_alert(self, alert: Alert) -> None:
        """Print one block."""
        seconds = alert.time // 1_000_000
        attributes = ", ".join(f"{name}={value}" for name, value in sorted(alert.attributes.items()))
        print(RULE)
        print(f"time           {seconds} {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}")
        print(f"source         {alert.source_ip}:{alert.source_port}")
        print(f"destination    {alert.destination_ip}:{alert.destination_port}")
        print(f"signature      {alert.signature}")
        print(f"classification {alert.classification}")
        print(f"priority       {alert.priority}")
        print(f"message        {alert.message}")
        print(f"attributes     {attributes}")
        print(f"status         {alert.status}")
        print(f"action         {alert.action}")
        print(RULE)
