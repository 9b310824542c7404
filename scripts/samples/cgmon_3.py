"""Print the top hosts of each window, by every meter of the group.

Attaches to the Hosts group by its GUID. ``meters = ("bytes",)`` in the class would print one list a
window instead of eight.
"""

from tapline import CounterMonitor, Top, TopList


class PrintToppers(CounterMonitor):
    """Prints a header, a line a key, largest first, and a line at the end of each list."""

    name = "cgmon_3"
    group = "{4CD742B1-C1CA-4708-BE78-0FCA2EB01A86}"

    def on_begin_topper_flush(self, top: TopList) -> None:
        """Before a list."""
        print(f"begin toppers {top.window} {top.meter}")

    def on_topper_flush(self, top: Top) -> None:
        """A key of the list."""
        print(f"{top.rank:4} {top.key} {top.value:g}")

    def on_end_topper_flush(self, top: TopList) -> None:
        """After a list."""
        print(f"end toppers {top.meter}")
