"""What this script does, once a window.

An engine monitor sees the windows of the stream themselves (a minute of the traffic's own time each), and
there is one of it over all workers: a place to ask another system something, and to count the answer.

Try it:  tapline try skeleton.py CAPTURE
Run it:  tapline scripts enable skeleton.py
"""

import shutil

from tapline import CounterGroup, EngineMonitor, Meter, Params

DISKS = CounterGroup(
    "Disks of workers",
    (Meter("free", kind="gauge", unit="bytes"), Meter("used", kind="gauge", unit="bytes")),
    keys="path",
)


class Skeleton(EngineMonitor):
    """Counts the room that is left on a disk."""

    name = "skeleton"

    class params(Params):
        """Set them under `workers.params.skeleton` in tapline.yaml, or with `tapline try --param path=…`."""

        path: str = "/"

    def on_begin_flush(self, window: int) -> None:
        """Before everything else of a window that has ended; `window` is its start in epoch seconds."""
        disk = shutil.disk_usage(self.params.path)
        self.count(DISKS, self.params.path, free=disk.free, used=disk.used)
        # What takes long belongs off the stream: self.run_async(ask, address, then=self.answered)

    # def on_load(self) -> bool | None:
    #     """Begin: open connections. Return False to stay out of service."""

    # def on_unload(self) -> None:
    #     """End: close what on_load opened."""

    # def on_end_flush(self, window: int) -> None:
    #     """After everything else of a window."""

    # def on_metronome(self, second: int) -> None:
    #     """Each second of the traffic's time."""
