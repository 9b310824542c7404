"""Alert when a host shows up that has not been seen for hours.

For the hosts of one's own networks; what is new is decided by ``workers.new_key_hours``. At the beginning
every host is new, so nothing is said in the first ``learn`` seconds of a stream.
"""

from tapline import CounterMonitor, Metric, Params


class NewHost(CounterMonitor):
    """Raises ``new-host`` in the User group."""

    name = "new_host"
    group = "Hosts"

    class params(Params):
        """``outside`` wants the hosts of other networks as well."""

        learn: int = 3600
        outside: bool = False

    def on_new_key(self, counter: Metric) -> None:
        """A host that was not seen for a while."""
        since = self.store.setdefault(self.stream, counter.window)
        if counter.window - since < self.params.learn or not (self.params.outside or self.is_local(counter.key)):
            return
        self.alert("new-host", counter, f"{counter.key} is new", group="User", priority=2)
