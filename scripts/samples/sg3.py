"""Write the flows of each window into a file, as a table.

Each instance writes a file of its own, since each partition of the stream has its own instance. A flow
that goes on over several windows has a line in each of them, with what it has come to so far. The first
end is the one that sent the first packet; in the original it is the one with the higher port.
"""

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from tapline import Flow, Params, SessionMonitor

RULE = "-" * 146
LINE = "%6d %-9s %39s:%-5d %39s:%-5d %12d %s.%06d %9.3f\n"
"""Number, protocol, both ends, bytes, when it began, seconds it took; filled by ``%``, the fastest way for so many."""


class FlowDetails(SessionMonitor):
    """Appends to ``fdetails.<instance>`` in ``folder``: a header, a line a flow, a rule."""

    name = "sg3"

    class params(Params):
        """``folder``, from where the worker runs, is where the files go; it is made if it is missing."""

        folder: str = ".tapline/samples"

    file: TextIO
    number: int

    def on_load(self) -> None:
        """Open the file."""
        folder = Path(self.params.folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / f"fdetails.{self.instance}").open("a", encoding="utf-8")

    def on_unload(self) -> None:
        """Close the file."""
        self.file.close()

    def on_begin_flush(self, window: int) -> None:
        """Begin the window's table."""
        self.number = 0
        print(f"{datetime.fromtimestamp(window, UTC):%Y-%m-%d %H:%M:%S} UTC", file=self.file)

    def on_flush(self, flow: Flow) -> None:
        """Write a flow's line."""
        self.number += 1
        second, microsecond = divmod(flow.start, 1_000_000)
        self.file.write(
            LINE
            % (
                self.number,
                flow.transport,
                flow.source_ip,
                flow.source_port,
                flow.destination_ip,
                flow.destination_port,
                flow.total_bytes,
                clock(second),
                microsecond,
                flow.duration,
            )
        )

    def on_end_flush(self, window: int) -> None:
        """End the window's table."""
        print(RULE, file=self.file, flush=True)


@lru_cache(maxsize=512)
def clock(second: int) -> str:
    """The time of day in UTC of a second since the epoch; many flows begin in one."""
    return f"{datetime.fromtimestamp(second, UTC):%H:%M:%S}"
