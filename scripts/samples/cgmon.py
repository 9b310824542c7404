"""Print what happens to a counter group in each window: begin, every key, end.

Attaches to the Apps group by its GUID. The word in brackets is the instance: each one has some of the
keys, and all of one window's are flushed between its begin and its end.
"""

from tapline import CounterMonitor, Metric


class FollowCounters(CounterMonitor):
    """Prints one line a hook."""

    name = "cgmon"
    group = "{C51B48D4-7876-479E-B0D9-BD9EFF03CE2E}"

    def on_load(self) -> None:
        """The script begins."""
        print(f"loaded [{self.instance}]")

    def on_unload(self) -> None:
        """The script ends."""
        print(f"unloaded [{self.instance}]")

    def on_begin_flush(self, window: int) -> None:
        """Before a window's keys."""
        print(f"begin flush [{self.instance}] {window}")

    def on_flush(self, counter: Metric) -> None:
        """A key with its totals of the window."""
        print(f"flush [{self.instance}] {counter.key}")

    def on_end_flush(self, window: int) -> None:
        """After a window's keys."""
        print(f"end flush [{self.instance}] {window}")
