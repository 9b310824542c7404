"""Alert when a counter changes by more than a part of what it usually is.

What is usual is a moving mean over event time, so that a busy hour does not make every minute of it an
alert. The alert is raised when a key leaves the band around its mean and cleared when it is back in it.
A key that falls silent has no value to compare: ``absence`` watches for that.
"""

from tapline import CounterMonitor, Metric, Params
from tapline.statistics import Ewma


class DeltaChange(CounterMonitor):
    """Raises ``changed`` (FIRED) for a key whose meter jumps or drops, and CLEAR when it is back."""

    name = "delta_change"
    group = "Apps"

    class params(Params):
        """``change`` is the part of the mean that is too much (0.5: half).

        The mean forgets half in ``half_life`` seconds and means something after ``settled`` windows;
        values below ``least`` do not matter. Only ``keys`` are watched where any are named, at most
        ``most_keys`` by an instance.
        """

        keys: tuple[str, ...] = ()
        meter: str = "bytes"
        change: float = 0.5
        least: float = 100_000
        half_life: float = 600.0
        settled: int = 3
        most_keys: int = 1000

    def on_flush(self, counter: Metric) -> None:
        """Compare a key's value with its mean so far, then let the mean take it in."""
        params = self.params
        if params.keys and counter.key not in params.keys:
            return
        place = f"{self.stream} {counter.key}"
        text, windows, fired = self.store.get(place, ("", 0, False))
        if not text and len(self.store) >= params.most_keys:
            return
        usual = Ewma.from_text(text) if text else Ewma(params.half_life)
        value, mean = float(counter.meters.get(params.meter, 0)), usual.mean
        if windows >= params.settled:
            outside = abs(value - mean) > params.change * mean and max(value, mean) >= params.least
            if outside != fired:
                self.tell(counter, value, mean, fired=outside)
                fired = outside
        usual.add(value, counter.window * 1_000_000)
        self.store[place] = (usual.to_text(), windows + 1, fired)

    def tell(self, counter: Metric, value: float, mean: float, *, fired: bool) -> None:
        """Raise or clear the alert."""
        what = "left" if fired else "is back in"
        message = f"{counter.group} {counter.key}: {self.params.meter} {value:.0f} {what} the band around {mean:.0f}"
        self.threshold_alert("changed", counter, message, fired=fired, value=value, threshold=mean)
