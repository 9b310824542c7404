"""The counter groups that come with Tapline, by name and by Trisul's well-known GUIDs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tapline.groups import CounterGroup, Meter
from workers.counting.behaviour_groups import CODED, FLOW_BEHAVIOUR, REQUESTS

TRAFFIC_METERS: Final = (
    "bytes",
    "bytes_in",
    "bytes_out",
    "packets",
    "packets_in",
    "packets_out",
    "flows",
    "new_flows",
)
"""Meters of the groups counted from flows.

``in`` and ``out`` are seen from the key where it is an end of the flow (Hosts, Subnets): received
and sent. For all other groups ``out`` is what the flow's source sent and ``in`` what came back.
``flows`` are those that had packets in the window, ``new_flows`` those that began in it.
"""

TRAFFIC_SUMS: Final = ("bytes_in", "bytes_out", "packets_in", "packets_out", "flows", "new_flows")
"""What is counted of these; the meters without a direction are sums of two."""

CONSERVATION_METERS: Final = ("announced", "received", "missing", "unannounced", "duplicate", "late")
"""Meters of the Conservation group, in records; its keys are ``<kind>/<node>``.

``missing`` were announced and did not come, ``unannounced`` came without an announcement (their node
died or was closed for), ``duplicate`` came twice and were dropped, ``late`` came after their window
had closed and were not added to it.
"""


def _traffic(name: str, keys: str, guid: str = "", *aliases: str) -> CounterGroup:
    return CounterGroup(
        name, _meters(TRAFFIC_METERS, {"bytes": "bytes", "packets": "packets"}), keys, guid, "", aliases
    )


def _meters(names: Sequence[str], units: Mapping[str, str]) -> tuple[Meter, ...]:
    return tuple(Meter(name, unit=units.get(name.partition("_")[0], "")) for name in names)


HOSTS: Final = _traffic("Hosts", "IP address", "4CD742B1-C1CA-4708-BE78-0FCA2EB01A86")
APPS: Final = _traffic("Apps", "application", "C51B48D4-7876-479E-B0D9-BD9EFF03CE2E")
PROTOCOLS: Final = _traffic("Protocols", "IP protocol")
PORTS: Final = _traffic("Ports", "transport/destination port")
SUBNETS: Final = _traffic("Subnets", "network", "429B65AD-CDA4-452E-A852-24D8A3D0FBB3")
INTERFACES: Final = _traffic("Interfaces", "observation point")
AGGREGATES: Final = _traffic("Aggregates", "TOTAL", "393B5EBC-AB41-4387-8F31-8077DB917336")
CONSERVATION: Final = CounterGroup("Conservation", _meters(CONSERVATION_METERS, {}), "record kind/node")
SCORES: Final = CounterGroup(
    "Scores",
    (
        Meter("score", unit="score"),
        Meter("network", unit="score", description="of that, what is about the network"),
        Meter("security", unit="score", description="of that, what is about security"),
        Meter("flows", unit="score", description="of that, what its flows count for"),
        Meter("alerts", unit="score", description="of that, what the alerts engaged on it count for"),
    ),
    "IP address",
    description="what checks found wrong with a host and with the flows it had",
)
"""Its sums travel with the names of their meters."""

ALERTS: Final = CounterGroup(
    "Alerts",
    (
        Meter("received", description="all that came; each has one of the outcomes that follow"),
        Meter("stored", description="one-shot alerts that were told"),
        Meter("raised", description="conditions whose beginning was told"),
        Meter("changed", description="told because they have become another severity or message"),
        Meter("released", description="conditions whose end was told"),
        Meter("refreshed", description="said what was known already"),
        Meter("repeated", description="one-shot alerts again within alerting.repeat_seconds"),
        Meter("excluded", description="by an exclusion of the policy"),
        Meter("rate_limited", description="more than alerting allows of an identity or a type"),
        Meter("below_minimum", description="less severe than alerting.minimum_severity"),
        Meter("not_admitted", description="dropped by the alert scripts"),
        Meter("acknowledged", description="changes of what somebody has seen to"),
        Meter("overflow", description="of more conditions than can be kept"),
        Meter("expired", description="none that came: released because nobody said anything any more"),
        Meter("summaries", description="none that came: said how much was held back"),
    ),
    "alert type",
    description="what became of alerts",
)
"""Its sums travel with the names of their meters."""
CAPTURE: Final = CounterGroup(
    "Capture",
    (
        Meter("packets", unit="packets", description="packets read"),
        Meter("bytes", unit="bytes", description="their bytes on the wire"),
        Meter("ignored", unit="packets", description="of them, those that belong to no flow"),
        Meter("ignored_bytes", unit="bytes", description="bytes of those"),
        Meter("dropped", unit="packets", description="packets that the kernel or the interface lost"),
        Meter("evicted_flows", description="flows ended before their time because there were too many at once"),
    ),
    "observation point",
    description="what capture nodes read and lost",
)
SNMP_DEVICE: Final = CounterGroup(
    "SNMP-Device",
    (
        Meter("answers", description="how often it answered"),
        Meter("failures", description="how often it did not, or not as it should"),
        Meter("uptime", "gauge", "s", description="how long it has been up"),
        Meter("interfaces", "gauge", description="how many it has"),
    ),
    "IP address",
    description="what came of asking SNMP devices",
)
SNMP_INTERFACE: Final = CounterGroup(
    "SNMP-Interface",
    (
        Meter("in_bytes", unit="bytes", description="ifHCInOctets, or ifInOctets where there is none"),
        Meter("out_bytes", unit="bytes", description="the same of what it sent"),
        Meter("in_packets", unit="packets", description="to one, to several and to all"),
        Meter("out_packets", unit="packets", description="the same of what it sent"),
        Meter("in_errors", unit="packets", description="ifInErrors"),
        Meter("out_errors", unit="packets", description="ifOutErrors"),
        Meter("in_discards", unit="packets", description="ifInDiscards"),
        Meter("out_discards", unit="packets", description="ifOutDiscards"),
        Meter("in_bytes_per_second", "average", "bytes/s", description="between two readings"),
        Meter("out_bytes_per_second", "average", "bytes/s", description="the same of what it sent"),
        Meter("speed", "gauge", "bit/s", description="ifSpeed, or ifHighSpeed where that is more"),
        Meter("oper_status", "gauge", description="ifOperStatus: 1 is up, 2 is down"),
        Meter("admin_status", "gauge", description="ifAdminStatus: 1 is up, 2 is down"),
    ),
    "IP address:ifIndex",
    description="what the interfaces of SNMP devices carried, and how they are",
)
_EACH_WAY: Final = (
    Meter("in_bytes", unit="bytes", description="received"),
    Meter("out_bytes", unit="bytes", description="sent"),
    Meter("in_packets", unit="packets", description="received"),
    Meter("out_packets", unit="packets", description="sent"),
    Meter("in_errors", unit="packets", description="received with an error"),
    Meter("out_errors", unit="packets", description="not sent because of an error"),
    Meter("in_drops", unit="packets", description="received and dropped"),
    Meter("out_drops", unit="packets", description="dropped instead of being sent"),
    Meter("in_bytes_per_second", "average", "bytes/s", description="between two readings"),
    Meter("out_bytes_per_second", "average", "bytes/s", description="between two readings"),
)
HOST: Final = CounterGroup(
    "Host",
    (
        Meter("cpu_percent", "average", "%", description="share of the processors' time that something ran"),
        Meter("cpu_user_percent", "average", "%", description="of it in programs"),
        Meter("cpu_system_percent", "average", "%", description="of it in the kernel"),
        Meter("cpu_iowait_percent", "average", "%", description="share of the time that waited for disks"),
        Meter("cpu_steal_percent", "average", "%", description="share that other machines on the same hardware took"),
        Meter("load", "gauge", description="load average of one minute"),
        Meter("processors", "gauge", description="how many there are"),
        Meter("memory_size", "gauge", "bytes", description="of the machine"),
        Meter("memory_used", "gauge", "bytes", description="by programs"),
        Meter("memory_available", "gauge", "bytes", description="what programs can still have without swapping"),
        Meter("memory_used_percent", "gauge", "%", description="what is not available"),
        Meter("swap_size", "gauge", "bytes", description="of the machine"),
        Meter("swap_used", "gauge", "bytes", description="of it"),
    ),
    "node",
    description="the machines that capture nodes run on",
)
HOST_INTERFACE: Final = CounterGroup(
    "Host-Interface",
    (
        *_EACH_WAY,
        Meter("up", "gauge", description="1 where it is up"),
        Meter("speed", "gauge", "bit/s", description="0 where it is not known"),
    ),
    "node:interface",
    description="their interfaces",
)
HOST_DISK: Final = CounterGroup(
    "Host-Disk",
    (
        Meter("read_bytes", unit="bytes", description="read"),
        Meter("write_bytes", unit="bytes", description="written"),
        Meter("reads", description="times that something was read"),
        Meter("writes", description="times that something was written"),
    ),
    "node:device",
    description="their disks and the parts of them",
)
HOST_FILESYSTEM: Final = CounterGroup(
    "Host-Filesystem",
    (
        Meter("size", "gauge", "bytes", description="of the file system"),
        Meter("used", "gauge", "bytes", description="of it"),
        Meter("free", "gauge", "bytes", description="for those who are not root"),
        Meter("used_percent", "gauge", "%", description="of what those who are not root can use"),
    ),
    "node:mount point",
    description="their file systems",
)
CONTAINER: Final = CounterGroup(
    "Container",
    (
        *_EACH_WAY,
        Meter("cpu_seconds", unit="s", description="time of processors that it used"),
        Meter("cpu_percent", "average", "%", description="the same as a share of one processor"),
        Meter("memory_used", "gauge", "bytes", description="without what the kernel would give back at once"),
        Meter("memory_limit", "gauge", "bytes", description="what it may use"),
        Meter("processes", "gauge", description="processes and threads"),
        Meter("read_bytes", unit="bytes", description="read from disks"),
        Meter("write_bytes", unit="bytes", description="written to disks"),
    ),
    "node:container",
    description="what containers use",
)
FLOW_EXPORTERS: Final = CounterGroup(
    "Flow Exporters",
    (
        Meter("datagrams", description="that came"),
        Meter("flows", description="made of them"),
        Meter("rejected", description="datagrams, or parts of them, that cannot be used"),
        Meter("gap", description="how often sequence numbers jumped"),
        Meter("missing", description="what did not come: flows of NetFlow v5 and IPFIX, datagrams of v9 and sFlow"),
        Meter("reordered", description="datagrams that came late, or twice"),
        Meter("restart", description="how often an exporter began to count anew"),
        Meter("drops", unit="packets", description="that an agent of sFlow could not sample"),
        Meter(
            "dropped", description="datagrams that the kernel lost, of all exporters: the key is the observation point"
        ),
    ),
    "exporter's IP address",
    description="what NetFlow, IPFIX and sFlow exporters sent and what was lost of it",
)
SFLOW_INTERFACES: Final = CounterGroup(
    "sFlow Interfaces",
    (
        *(
            Meter(f"{way}_{what}", "delta_rate", f"{unit}/s", description=said)
            for way in ("in", "out")
            for what, unit, said in (
                ("bytes", "bytes", "if_counters of sFlow: octets"),
                ("packets", "packets", "to one"),
                ("multicasts", "packets", "to several"),
                ("broadcasts", "packets", "to all"),
                ("discards", "packets", "dropped though nothing was wrong with them"),
                ("errors", "packets", "with an error"),
            )
        ),
        Meter("speed", "gauge", "bit/s"),
        Meter("status", "gauge", description="3 where it is up: bit 0 is whether it should be, bit 1 whether it is"),
    ),
    "agent/ifIndex",
    description="what the interfaces of sFlow agents carried, a second",
)
SURICATA: Final = CounterGroup(
    "Suricata",
    (
        Meter("uptime", "gauge", "s", description="how long it has run"),
        Meter("capture_kernel_packets", "delta_rate", "packets/s", description="that the kernel had for it"),
        Meter("capture_kernel_drops", "delta_rate", "packets/s", description="that the kernel lost"),
        Meter("decoder_pkts", "delta_rate", "packets/s", description="decoded"),
        Meter("decoder_bytes", "delta_rate", "bytes/s", description="of those"),
        Meter("decoder_invalid", "delta_rate", "packets/s", description="of those, broken ones"),
        Meter("flow_memcap", "delta_rate", description="flows a second that there was no memory for"),
        Meter("tcp_sessions", "delta_rate", description="TCP sessions a second"),
        Meter("tcp_ssn_memcap_drop", "delta_rate", description="of those, without memory for them"),
        Meter("tcp_segment_memcap_drop", "delta_rate", description="segments a second without memory for them"),
        Meter("tcp_reassembly_gap", "delta_rate", description="gaps a second in streams"),
        Meter("http_memcap", "delta_rate", description="how often a second HTTP had no memory"),
        Meter("ftp_memcap", "delta_rate", description="how often a second FTP had no memory"),
        Meter("detect_alert", "delta_rate", description="alerts a second"),
        Meter("flow_memuse", "gauge", "bytes", description="held for flows"),
        Meter("tcp_memuse", "gauge", "bytes", description="held for TCP sessions"),
        Meter("http_memuse", "gauge", "bytes", description="held for HTTP"),
        Meter("events", description="by kind in place of sensor: what the check of Suricata's log has read"),
    ),
    "sensor",
    description="what Suricata counts of itself",
)
SYSLOG: Final = CounterGroup(
    "Syslog",
    (
        Meter("lines", description="that came"),
        Meter("bytes", unit="bytes", description="of those"),
        Meter("rejected", description="of them, those that cannot be used"),
        Meter("dropped", description="datagrams that the kernel lost"),
    ),
    "observation point",
    description="what syslog listeners took and lost",
)
SNMP_TRAP: Final = CounterGroup(
    "SNMP-Trap",
    (
        Meter("traps", description="traps and informs that became alerts"),
        Meter("bytes", unit="bytes", description="of all datagrams"),
        Meter("rejected", description="datagrams that are no trap to take"),
        Meter("dropped", description="datagrams that the kernel lost"),
    ),
    "observation point",
    description="what listeners for traps took and lost",
)
SAMPLED: Final = (
    SNMP_DEVICE, SNMP_INTERFACE, SNMP_TRAP, HOST, HOST_INTERFACE, HOST_DISK, HOST_FILESYSTEM, CONTAINER,
    FLOW_EXPORTERS, SFLOW_INTERFACES, SURICATA, SYSLOG,
)  # fmt: skip
"""What capture nodes sample of devices, hosts, containers and sources; scripts may feed these groups as well."""

_TRAFFIC_GROUPS: Final = (HOSTS, APPS, PROTOCOLS, PORTS, SUBNETS, INTERFACES, AGGREGATES)
GROUPS: Final = (*_TRAFFIC_GROUPS, *FLOW_BEHAVIOUR, REQUESTS, CAPTURE, *SAMPLED, CONSERVATION, SCORES, ALERTS)
FROM_FLOWS: Final = frozenset(group.name for group in (*_TRAFFIC_GROUPS, *FLOW_BEHAVIOUR, SCORES))
"""The groups that are counted from flows alone."""

_TRAFFIC: Final = frozenset(group.name for group in _TRAFFIC_GROUPS)


def named(group: str, values: Sequence[int | float]) -> dict[str, int | float]:
    """The meters of a group of ours by name, from the values its partial sums carry."""
    if group == CONSERVATION.name:
        return dict(zip(CONSERVATION_METERS, values, strict=False))
    coded = CODED.get(group)
    if coded is not None:
        return coded([values])[0]
    if group not in _TRAFFIC:
        return {f"meter_{index}": value for index, value in enumerate(values)}
    bytes_in, bytes_out, packets_in, packets_out, flows, new_flows = values
    return {
        "bytes": bytes_in + bytes_out,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "packets": packets_in + packets_out,
        "packets_in": packets_in,
        "packets_out": packets_out,
        "flows": flows,
        "new_flows": new_flows,
    }
