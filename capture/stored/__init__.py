"""Flows that other collectors have stored in files, read by means of their own programs."""

from typing import Final

NFDUMP: Final = "nfdump"
ARGUS: Final = "argus"
"""The sources' names in records and metrics."""

NAMES: Final = (NFDUMP, ARGUS)

SCHEMES: Final = tuple(f"{name}:" for name in NAMES)
"""What the names of the sources begin with."""
