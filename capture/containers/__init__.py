"""Containers of a Docker daemon: whose addresses are theirs, and what they use."""

from typing import Final

SCHEME: Final = "docker:"
"""What the name of the source is: the daemon is in the configuration."""

NAME: Final = "docker"
"""The source's name in records and metrics."""
