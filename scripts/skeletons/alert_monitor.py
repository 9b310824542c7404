"""What this script looks for, and what it does when it finds it.

An alert monitor sees the alerts of capture nodes and of other scripts, not its own. A hook that is not
written costs nothing: keep the ones you need.

Try it:  tapline try skeleton.py CAPTURE, together with a script that raises alerts
Run it:  tapline scripts enable skeleton.py
"""

from tapline import Alert, AlertMonitor, Params


class Skeleton(AlertMonitor):
    """Prints alerts that matter."""

    name = "skeleton"

    # Which alert groups it sees: a name, a GUID, re.compile(…), or several of these. Empty: all.
    group = ""

    class params(Params):
        """Set them under `workers.params.skeleton` in tapline.yaml, or with `tapline try --param priority=…`."""

        priority: int = 2

    def on_new_alert(self, alert: Alert) -> None:
        """An alert, as it comes. Priority 1 is the highest, 3 the lowest."""
        if alert.priority <= self.params.priority:
            print(f"{alert.type}: {alert.source_ip} > {alert.destination_ip}: {alert.message}")

    # It may return what the alert is to say instead: {"severity": 6, "message": "…", "priority": 1}.

    # def admit(self, alert: Alert) -> bool:
    #     """False votes to keep the alert from being told; it is told when not all scripts' filters say so."""

    # def on_load(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def on_begin_flush(self, window: int) -> None:
    #     """Before the alerts of a window that has ended; `window` is its start in epoch seconds."""

    # def flush_filter(self, alert: Alert) -> bool:
    #     """False votes to keep the alert from on_flush of all scripts; it is kept when all filters say so."""

    # def on_flush(self, alert: Alert) -> None:
    #     """Each alert of the window."""

    # def on_end_flush(self, window: int) -> None:
    #     """After the alerts of a window."""
