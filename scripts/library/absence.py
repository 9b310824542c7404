"""Alert when something that has been there all along is heard no more.

A sensor, a backup, a heartbeat: their silence is news, and nothing in the traffic tells of it. A key of
the group is watched when it is named in ``keys``; without any, each that was there in ``steady`` windows.
It is reported once after ``silence`` seconds, and again when it is back. To watch another group than
Hosts, copy this file and change ``group``.
"""

from tapline import CounterMonitor, Metric, Params

FORGET = 86_400
"""Seconds after which a key that stays away is forgotten."""


class Absence(CounterMonitor):
    """Raises ``absent`` (FIRED) for a key that falls silent, and CLEAR when it is heard again."""

    name = "absence"
    group = "Hosts"

    class params(Params):
        """``meter`` is what has to be more than 0; at most ``most_keys`` keys are watched by an instance."""

        keys: tuple[str, ...] = ()
        meter: str = "packets"
        silence: int = 120
        steady: int = 5
        most_keys: int = 1000

    def on_flush(self, counter: Metric) -> None:
        """Note that a key was there."""
        params = self.params
        if (params.keys and counter.key not in params.keys) or not counter.meters.get(params.meter):
            return
        place = f"{self.stream} {counter.key}"
        windows, last, fired = self.store.get(place, (0, counter.window, False))
        if not windows and len(self.store) >= params.most_keys:
            return
        if fired:
            message = f"{counter.key} is back after {counter.window - last} s"
            self.threshold_alert("absent", counter, message, fired=False, value=counter.meters[params.meter])
        self.store[place] = (windows + 1, counter.window, False)

    def on_end_flush(self, window: int) -> None:
        """Look for those that were not."""
        params = self.params
        for place, (windows, last, fired) in list(self.store.items()):
            stream, _, key = place.partition(" ")
            silent = window - last
            if stream != self.stream or silent < params.silence:
                continue
            if silent > FORGET:
                del self.store[place]
            elif not fired and (params.keys or windows >= params.steady):
                counter = Metric(id=place, time=self.now, group=self.group, key=key, meters={params.meter: 0})
                message = f"{key} has not been heard for {silent} s"
                self.threshold_alert("absent", counter, message, value=silent, threshold=params.silence)
                self.store[place] = (windows, last, True)
