"""Write a line into a file for every new flow: its number and its id.

Each partition of the stream has an instance of the script, maybe in another process, so each instance
writes a file of its own and counts by itself.
"""

from pathlib import Path
from typing import TextIO

from tapline import Flow, Params, SessionMonitor


class CountNewFlows(SessionMonitor):
    """Appends to ``flog.<instance>`` in ``folder``."""

    name = "sg2"

    class params(Params):
        """``folder``, from where the worker runs, is where the files go; it is made if it is missing."""

        folder: str = ".tapline/samples"

    file: TextIO
    number: int

    def on_load(self) -> None:
        """Open the file."""
        folder = Path(self.params.folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / f"flog.{self.instance}").open("a", encoding="utf-8")
        self.number = 0

    def on_unload(self) -> None:
        """Close the file."""
        self.file.close()

    def on_new_flow(self, flow: Flow) -> None:
        """Write a flow's line."""
        self.number += 1
        self.file.write(f"{self.number}  {flow.flow_id}\n")

    def on_end_flush(self, window: int) -> None:
        """Let readers of the file see what was written, once a window."""
        self.file.flush()
