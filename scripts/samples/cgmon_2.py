"""Print the counters of a group while the window is open, each second in which they change.

Attaches to the Apps group by its GUID. Values are the key's sums since the window began. The
original's arguments stand in another order than its documentation says; here there is one, a record.
"""

from tapline import CounterMonitor, Metric


class FollowUpdates(CounterMonitor):
    """Prints one line for each key that grew in the last second of event time."""

    name = "cgmon_2"
    group = "{C51B48D4-7876-479E-B0D9-BD9EFF03CE2E}"

    def on_update(self, counter: Metric) -> None:
        """A key's sums so far."""
        meters = " ".join(f"{name}={value}" for name, value in counter.meters.items())
        print(f"update [{self.instance}] {self.now // 1_000_000} {counter.key} {meters}")
