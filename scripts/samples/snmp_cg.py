"""Define a counter group for the interfaces of network devices, as SNMP tells of them.

A file may define groups and no monitor: scripts then find the group by its name or its GUID. ``snmp``
polls devices and feeds this one. The GUID is also that of the File Hash group of resources, as in the
original: a GUID names a group of one kind.

The meters are of the kind ``delta_rate``: what is fed are readings of counters that only grow, what
comes out is their growth a second from one window to the next. A counter that wraps or starts anew is
seen by the kind.
"""

from tapline import CounterGroup, Meter

SNMP_INTERFACE = CounterGroup(
    "SNMP-Interface",
    (
        Meter("total", "delta_rate", "bytes/s", top=20, description="received and sent"),
        Meter("received", "delta_rate", "bytes/s", top=20, description="ifHCInOctets"),
        Meter("sent", "delta_rate", "bytes/s", top=20, description="ifHCOutOctets"),
    ),
    keys="agent:ifIndex",
    guid="9781DB2C-F78A-4F7F-A7E8-2B1A9A7BE71A",
    description="Traffic of the interfaces of network devices",
)
