"""The machine that the capture node runs on: its interfaces, processors, memory and disks."""

from typing import Final

SCHEME: Final = "host:"
"""What the name of the source is."""

NAME: Final = "host"
"""The source's name in records and metrics."""
