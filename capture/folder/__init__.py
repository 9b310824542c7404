"""A folder in which another program leaves capture files, as the rotation of tcpdump or dumpcap does."""

from typing import Final

SCHEME: Final = "folder:"
"""What the name of the source begins with."""

NAME: Final = "folder"
"""The source's name in metrics."""
