"""Checks of hosts, networks, interfaces, devices and of Tapline: what they make of what was counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import Struct

from tapline.checks import Check, Entity, PeriodicCheck, TypeInfo
from tapline.checks.runtime import Band
from tests.golden.checks.made import CHECKS, MINUTE
from workers.scripting.scripts import LoadedScript, load_files, script_paths

SCRIPTS = {
    script.name: script
    for script in load_files(script_paths([str(CHECKS)]), {}).scripts
    if issubclass(script.monitor, PeriodicCheck)
}


class Told(Struct, frozen=True):
    """What a check has said in a run."""

    holds: bool | None
    info: TypeInfo


class Runtime:
    """Takes down what a check says; it knows what was learned."""

    def __init__(self, band: Band | None = None) -> None:
        self.told: list[Told] = []
        self.kept: dict[str, Any] = {}
        self._band = band

    def condition(self, _check: Check, _entity: Entity, info: TypeInfo, *, holds: bool) -> None:
        self.told.append(Told(holds, info))

    def store_alert(self, _check: Check, _entity: Entity, info: TypeInfo, _about: object = None) -> None:
        self.told.append(Told(None, info))

    def band(self, *_: object) -> Band:
        assert self._band is not None
        return self._band

    def store(self, _check: Check) -> dict[str, Any]:
        return self.kept


def made(script: LoadedScript, runtime: Runtime, **params: Any) -> Any:
    check = script.create()
    check.runtime = runtime  # type: ignore[assignment]
    if params:
        check.params = type(script.params)(
            **{**{name: getattr(script.params, name) for name in script.params.__struct_fields__}, **params}
        )
    return check


def entity(check: PeriodicCheck, meters: Mapping[str, float], **fields: Any) -> Entity:
    """One on which the check has something engaged: only of these is told what does not hold."""
    own = {"kind": check.kind, "name": "10.0.0.1", "window": MINUTE, "meters": meters, "engaged": (check.type.name,)}
    return Entity(**{**own, **fields})


PLAIN = {
    "syn_flood_attacker": "client_syn_per_second",
    "syn_flood_victim": "server_syn_per_second",
    "flow_flood_attacker": "client_flows_per_second",
    "flow_flood_victim": "server_flows_per_second",
    "icmp_flood_attacker": "client_icmp_packets_per_second",
    "icmp_flood_victim": "server_icmp_packets_per_second",
    "dns_flood_attacker": "client_dns_flows_per_second",
    "dns_flood_victim": "server_dns_flows_per_second",
    "snmp_flood_attacker": "client_snmp_flows_per_second",
    "snmp_flood_victim": "server_snmp_flows_per_second",
    "syn_scan_attacker": "client_tcp_syn",
    "syn_scan_victim": "server_tcp_syn",
    "fin_scan_attacker": "client_tcp_fin_scan",
    "fin_scan_victim": "server_tcp_fin_scan",
    "rst_scan_attacker": "rst_received",
    "rst_scan_victim": "rst_sent",
    "scan_detection": "client_tcp_unanswered",
    "network_syn_flood_victim": "server_syn_per_second",
    "network_flow_flood_victim": "server_flows_per_second",
    "network_syn_scan_victim": "server_tcp_syn",
    "host_bytes": "bytes",
    "host_packets": "packets",
    "host_flows": "new_flows",
    "host_dns_requests": "client_dns_requests",
    "host_unanswered_udp": "client_udp_one_way",
    "remote_connection": "server_remote_access_seconds",
    "countries_contacts": "countries",
    "domain_names_contacts": "domain_names",
    "dns_contacts": "dns_servers",
    "ntp_contacts": "ntp_servers",
    "smtp_contacts": "smtp_servers",
    "ports_contacted": "server_ports",
    "servers_contacted": "servers",
    "server_ports": "own_ports",
    "score_threshold": "score",
    "dangerous_host": "score",
    "network_ingress": "bytes_in",
    "network_egress": "bytes_out",
    "network_discovery": "server_icmp_packets_per_second",
    "broadcast_domain_too_large": "broadcast_hosts",
    "interface_bytes": "bytes",
    "interface_packets": "packets",
    "records_missing": "missing",
    "records_late": "late",
    "records_unannounced": "unannounced",
}
"""Checks that compare one meter, and which."""

RATIOS: dict[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "host_throughput": ({"bytes": 7_500_008}, {"bytes": 7_500_000}),
    "interface_throughput": ({"bytes": 7_500_008}, {"bytes": 7_500_000}),
    "host_retransmissions": (
        {"tcp_packets_sent": 1000, "retransmissions_sent": 151},
        {"tcp_packets_sent": 1000, "retransmissions_sent": 150},
    ),
    "network_issues": (
        {"tcp_packets_sent": 10_000, "retransmissions_sent": 1501},
        {"tcp_packets_sent": 10_000, "retransmissions_sent": 1500},
    ),
    "request_reply_ratio_dns_sent": (
        {"client_dns_requests": 99, "client_dns_replies": 49},
        {"client_dns_requests": 99, "client_dns_replies": 50},
    ),
    "request_reply_ratio_dns_received": (
        {"server_dns_requests": 99, "server_dns_replies": 49},
        {"server_dns_requests": 99, "server_dns_replies": 50},
    ),
    "request_reply_ratio_http_sent": (
        {"http_requests_sent": 99, "http_replies_received": 49},
        {"http_requests_sent": 99, "http_replies_received": 50},
    ),
    "request_reply_ratio_http_received": (
        {"http_requests_received": 99, "http_replies_sent": 49},
        {"http_requests_received": 99, "http_replies_sent": 50},
    ),
    "too_many_drops": ({"packets": 1890, "dropped": 101}, {"packets": 1919, "dropped": 101}),
    "records_duplicate": ({"received": 100, "duplicate": 51}, {"received": 100, "duplicate": 50}),
    "snmp_interface_errors": ({"in_packets": 94, "in_errors": 6}, {"in_packets": 95, "out_discards": 5}),
    "snmp_interface_load": (
        {"speed": 1000, "in_bytes_per_second": 113},
        {"speed": 1000, "out_bytes_per_second": 112.5},
    ),
}
"""Checks that compare what they work out: meters just beyond the threshold, and just not."""

PARAMS: dict[str, dict[str, float]] = {
    "host_throughput": {"threshold": 1.0},
    "interface_throughput": {"threshold": 1.0},
}


def hook(check: PeriodicCheck) -> Any:
    names = ("min", "five_minutes", "hour", "day")
    return next(
        getattr(check, name) for name in names if getattr(type(check), name) is not getattr(PeriodicCheck, name)
    )


@pytest.mark.parametrize("name", PLAIN)
def test_a_threshold_is_crossed_by_what_is_strictly_beyond(name: str) -> None:
    runtime = Runtime()
    check = made(SCRIPTS[name], runtime)
    threshold = check.params.threshold
    hook(check)(entity(check, {PLAIN[name]: threshold + 1}))
    hook(check)(entity(check, {PLAIN[name]: threshold}))
    assert [told.holds for told in runtime.told] == [True, False]
    info = runtime.told[0].info
    assert (info.value, info.threshold, info.score) == (threshold + 1, threshold, check.score)
    assert info.type.name == name


@pytest.mark.parametrize("name", RATIOS)
def test_what_is_worked_out_is_compared(name: str) -> None:
    runtime = Runtime()
    check = made(SCRIPTS[name], runtime, **PARAMS.get(name, {}))
    beyond, within = RATIOS[name]
    hook(check)(entity(check, beyond))
    hook(check)(entity(check, within))
    assert [told.holds for told in runtime.told] == [True, False]


@pytest.mark.parametrize(
    "name", ["request_reply_ratio_dns_sent", "host_retransmissions", "network_issues", "snmp_interface_load"]
)
def test_too_little_to_judge_is_not_judged(name: str) -> None:
    runtime = Runtime()
    check = made(SCRIPTS[name], runtime)
    few = {"client_dns_requests": 10.0, "tcp_packets_sent": 100.0, "retransmissions_sent": 100.0}
    hook(check)(entity(check, few))
    assert runtime.told == []


@pytest.mark.parametrize("name", ["score_anomaly", "flow_anomaly", "interface_anomaly"])
@pytest.mark.parametrize("left", [True, False])
def test_an_anomaly_is_what_left_its_band(name: str, left: bool) -> None:  # noqa: FBT001 - a parameter
    runtime = Runtime(Band(lower=1, upper=5, left=left, learning=False, method="ewma"))
    check = made(SCRIPTS[name], runtime)
    hook(check)(entity(check, {"score": 9, "new_flows": 9, "bytes": 9}))
    assert [told.holds for told in runtime.told] == [left]


@pytest.mark.parametrize(
    ("name", "fires", "silent"),
    [
        ("no_if_activity", {"packets": 0}, {"packets": 1}),
        ("address_conflict", {"macs": 2}, {"macs": 1}),
        ("snmp_device_silent", {"failures": 2}, {"failures": 2, "answers": 1}),
        ("ghost_networks", {"broadcast_hosts": 1}, {"broadcast_hosts": 0}),
    ],
)
def test_a_condition_holds_as_long_as_it_is_asserted(
    name: str, fires: Mapping[str, float], silent: Mapping[str, float]
) -> None:
    runtime = Runtime()
    check = made(SCRIPTS[name], runtime)
    fields = {"name": "203.0.113.0/24"} if name == "ghost_networks" else {}
    hook(check)(entity(check, silent, **fields))
    assert runtime.told == []
    hook(check)(entity(check, fires, **fields))
    assert [told.holds for told in runtime.told] == [True]


def test_a_network_of_ones_own_is_no_ghost() -> None:
    runtime = Runtime()
    check = made(SCRIPTS["ghost_networks"], runtime)
    check.min(entity(check, {"broadcast_hosts": 5}, name="10.0.0.0/24", is_local=True))
    assert runtime.told == []


@pytest.mark.parametrize(
    ("name", "before", "after", "says"),
    [
        ("ip_reassignment", {"macs": 1, "mac": 0x020000000001}, {"macs": 1, "mac": 0x020000000002}, "020000000002"),
        ("snmp_status_changed", {"oper_status": 1}, {"oper_status": 2}, "went from up to down"),
        ("snmp_device_restarted", {"uptime": 1000}, {"uptime": 30}, "restarted 30 seconds ago"),
    ],
)
def test_a_change_is_told_once(name: str, before: Mapping[str, float], after: Mapping[str, float], says: str) -> None:
    runtime = Runtime()
    check = made(SCRIPTS[name], runtime)
    for meters in (before, before):
        check.min(entity(check, meters))
    assert runtime.told == [], "the first time is no change"
    for meters in (after, after):
        check.min(entity(check, meters))
    (told,) = runtime.told
    assert told.holds is None
    assert says in told.info.message


def test_a_device_is_new_once() -> None:
    runtime = Runtime()
    check = made(SCRIPTS["device_connection"], runtime)
    for _ in range(2):
        check.min(entity(check, {"flows": 1}))
    assert [told.info.message for told in runtime.told] == ["10.0.0.1 is new"]


def test_every_check_of_what_is_counted_has_its_case() -> None:
    others = {
        *("score_anomaly", "flow_anomaly", "interface_anomaly", "no_if_activity", "address_conflict"),
        *("snmp_device_silent", "ghost_networks", "ip_reassignment", "snmp_status_changed"),
        *("snmp_device_restarted", "device_connection"),
    }
    assert SCRIPTS.keys() == PLAIN.keys() | RATIOS.keys() | others
