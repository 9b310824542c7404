"""SNMP: devices are asked for their interfaces, which become samples of counters."""

from typing import Final

SCHEME: Final = "snmp:"
"""What the name of the source is: the devices are in the configuration."""

NAME: Final = "snmp"
"""The source's name in records and metrics."""
