"""Pass on the alerts that matter: drop the known noise, raise the priority of some.

An alert is dropped when its type, its signature or one of its addresses is listed. What is left is raised
again in the User group, under its own type and message, so that a notification can be bound to that
group alone. The alerts themselves stay where they are.
"""

from tapline import Alert, AlertMonitor, Params
from tapline.lists import NetworkSet

USER = "User"


class AlertFilter(AlertMonitor):
    """Raises again what is not filtered out."""

    name = "alert_filter"

    class params(Params):
        """What to drop, and types whose priority becomes 1."""

        types: tuple[str, ...] = ()
        signatures: tuple[str, ...] = ("ALIENVAULT",)
        networks: tuple[str, ...] = ()
        urgent: tuple[str, ...] = ()

    def on_load(self) -> None:
        """Prepare the networks."""
        self.quiet = NetworkSet((network, "") for network in self.params.networks)

    def flush_filter(self, alert: Alert) -> bool:
        """False for the noise, and for what was passed on."""
        params = self.params
        return not (
            alert.group == USER
            or alert.type in params.types
            or alert.signature in params.signatures
            or alert.source_ip in self.quiet
            or alert.destination_ip in self.quiet
        )

    def on_flush(self, alert: Alert) -> None:
        """Pass an alert on."""
        if not self.flush_filter(alert):
            return
        urgent = alert.type in self.params.urgent
        self.alert(
            alert.type,
            alert,
            alert.message,
            group=USER,
            signature=alert.signature,
            classification=alert.classification,
            severity=alert.severity,
            priority=1 if urgent else alert.priority,
            status=alert.status,
            value=alert.value,
            threshold=alert.threshold,
            attributes={**alert.attributes, "script": alert.script},
        )
