"""Traps of SNMP devices, which become alerts."""

from typing import Final

SCHEME: Final = "snmptrap:"
"""What the name of the source begins with."""

NAME: Final = "snmptrap"
"""The source's name in records and metrics."""
