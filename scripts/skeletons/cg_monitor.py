"""What this script looks for, and what it does when it finds it.

A counter monitor sees what was counted in a window (a minute of the traffic's own time), key by key,
once the window has ended; and the keys that had most. A hook that is not written costs nothing: keep
the ones you need.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

from tapline import CounterMonitor, Metric, Params


class Skeleton(CounterMonitor):
    """Alerts when a host has moved more than so many bytes in a window."""

    name = "skeleton"

    # Which counter groups it sees: a name, a GUID, re.compile(…), or several of these. Empty: all.
    group = "Hosts"

    class params(Params):
        """Set them under `workers.params.skeleton` in tapline.yaml, or with `tapline try --param max_bytes=…`."""

        max_bytes: int = 10_000_000

    def on_flush(self, counter: Metric) -> None:
        """A key's totals of the window; `counter.meters` has them by name."""
        moved = counter.meters["bytes"]
        if moved > self.params.max_bytes:
            limit = self.params.max_bytes
            self.threshold_alert(
                "busy-host", counter, f"{counter.key}: {moved:,} bytes in a minute", value=moved, threshold=limit
            )

    # def on_load(self) -> bool | None:
    #     """Begin: read lists from `self.folder`. Return False to stay out of service."""

    # def on_update(self, counter: Metric) -> None:
    #     """A key's total so far, after each second of the traffic's time in which it grew."""

    # def on_new_key(self, counter: Metric) -> None:
    #     """A key that has not been seen for hours, before its on_flush."""

    # def on_begin_flush(self, window: int) -> None:
    #     """Before the keys of a window; `window` is its start in epoch seconds."""

    # def flush_filter(self, counter: Metric) -> bool | dict[str, float]:
    #     """False votes to drop the key; a dictionary keeps it with other values for the meters it names."""

    # def on_totals(self, counter: Metric) -> None:
    #     """The totals over all keys of a group."""

    # def on_end_flush(self, window: int) -> None:
    #     """After the keys of a window."""

    # The keys that had most, a list for each meter; `meters = ("bytes",)` in the class wants only that one.
    # Import Top and TopList from tapline.

    # def on_begin_topper_flush(self, top: TopList) -> bool | None:
    #     """Before the keys of a list; return False to leave them out."""

    # def topper_filter(self, top: Top) -> bool:
    #     """False votes to keep a key from on_topper_flush."""

    # def on_topper_flush(self, top: Top) -> None:
    #     """A key of a list, largest first."""

    # def on_end_topper_flush(self, top: TopList) -> None:
    #     """After the keys of a list."""
