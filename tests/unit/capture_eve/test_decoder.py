"""What Suricata's events tell, and what is said of those that tell nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from communityid import CommunityID, FlowTuple
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.eve.decoder import EveDecoder
from capture.eve.errors import EveError
from capture.source import observe_live
from topics.catalog import DOCUMENT, FLOW, METRIC, RESOURCE
from topics.codec import decode, encode
from topics.partitions import digest
from topics.records import Alert, Document, Endpoints, Flow, Metric, Resource

SHARED = Path(__file__).parents[4] / "shared" / "telemetry"
ENDS = {"src_ip": "192.0.2.1", "src_port": 40_000, "dest_ip": "198.51.100.2", "dest_port": 443, "proto": "TCP"}
ANSWER = {"type": "answer", "id": 3, "rcode": "NOERROR", "ra": True}
NOON = 1_780_315_200_000_000


def event(kind: str, body: Any = None, **more: Any) -> dict[str, Any]:
    common = {"timestamp": "2026-06-01T14:00:00.000000+0200", "flow_id": 7, "event_type": kind, "host": "sensor"}
    return common | ENDS | ({kind: body} if body is not None else {}) | more


def made(text: dict[str, Any] | str) -> list[Any]:
    decoder = EveDecoder(observe_live("node", "udp://127.0.0.1:514", 1))
    found = decoder.decode(text if isinstance(text, str) else json.dumps(text), "peer", "id")
    # Whatever is made can be published and read again.
    for topic, key, record in found:
        assert decode(topic.record, encode([record])) == [record]
        assert isinstance(key, str)
    return [record for _, _, record in found]


def test_an_alert():
    body = {
        "action": "blocked", "gid": 1, "signature_id": 2_017_318, "rev": 4, "signature": "ET BAD", "severity": 1,
        "category": "Trojan", "metadata": {"attack_target": ["Any", "All"], "policy": "drop"},
    }  # fmt: skip
    (alert,) = made(event("alert", body, app_proto="tls", flow={"pkts_toserver": "not looked at"}))
    assert isinstance(alert, Alert)
    assert (alert.group, alert.action, alert.type) == ("External IDS", "store", "ids_alert")
    assert (alert.signature, alert.message, alert.classification) == ("2017318", "ET BAD", "Trojan")
    assert (alert.severity, alert.priority, alert.status) == (5, 1, "BLOCK")
    assert (alert.time, alert.source_ip, alert.destination_port) == (NOON, "192.0.2.1", 443)
    assert alert.attributes["attack_target"] == "Any, All"
    assert alert.attributes["sensor"] == "sensor"
    assert (alert.entity_kind, alert.entity) == ("flow", alert.flow_id)
    assert alert.evidence == [alert.flow_id]


@pytest.mark.parametrize(("severity", "level", "priority"), [(0, 5, 1), (1, 5, 1), (2, 4, 2), (3, 4, 3), (255, 4, 3)])
def test_the_first_severity_is_an_error_and_the_others_are_warnings(severity, level, priority):
    (alert,) = made(event("alert", {"signature": "x", "signature_id": 1, "severity": severity}))
    assert (alert.severity, alert.priority) == (level, priority)


def test_a_flow():
    body = {
        "pkts_toserver": 3, "pkts_toclient": 2, "bytes_toserver": 300, "bytes_toclient": 200, "reason": "timeout",
        "state": "closed", "start": "2026-06-01T13:00:00+0200", "end": "2026-06-01T13:30:00+0200",
    }  # fmt: skip
    tcp = {"tcp_flags_ts": "1b", "tcp_flags_tc": "1f", "state": "closed"}
    (flow,) = made(event("flow", body, tcp=tcp, app_proto="dcerpc", vlan=[5, 7]))
    assert isinstance(flow, Flow)
    assert (flow.record, flow.sequence, flow.state, flow.end_reason) == ("final", 0, "closed", "end")
    assert (flow.time, flow.end, flow.duration) == (NOON - 1_800_000_000, NOON - 1_800_000_000, 1800)
    assert (flow.total_source_bytes, flow.total_destination_packets) == (300, 2)
    assert (flow.total_bytes, flow.total_packets) == (flow.delta_bytes, flow.delta_packets)
    assert (flow.tcp_flags_source, flow.tcp_flags_destination) == (0x1B, 0x1F)
    assert (flow.application, flow.vlan_id, flow.transport) == ("RPC", 7, "tcp")


@pytest.mark.parametrize(
    ("tcp", "reason", "state", "end_reason"),
    [
        ({"state": "established"}, "timeout", "established", "idle"),
        ({"state": "closed", "rst": True}, "timeout", "reset", "end"),
        ({"state": "syn_sent"}, "timeout", "syn", "idle"),
        ({"state": "established"}, "shutdown", "established", "forced"),
        (None, "forced", "", "forced"),
    ],
)
def test_how_a_flow_ended(tcp, reason, state, end_reason):
    (flow,) = made(event("flow", {"reason": reason}, **({"tcp": tcp} if tcp else {})))
    assert (flow.state, flow.end_reason) == (state, end_reason)


def test_each_direction_of_netflow_is_a_flow_of_its_own():
    (there,) = made(event("netflow", {"pkts": 3, "bytes": 300, "start": "2026-06-01T13:59:00+0200"}))
    back = ENDS | {"src_ip": "198.51.100.2", "src_port": 443, "dest_ip": "192.0.2.1", "dest_port": 40_000}
    (other,) = made(event("netflow", {"pkts": 2, "bytes": 200}, **back))
    assert (there.total_source_bytes, there.total_destination_bytes, there.duration) == (300, 0, 60)
    assert (other.source_ip, other.total_source_bytes) == ("198.51.100.2", 200)
    assert there.flow_id != other.flow_id
    assert there.community_id == other.community_id


def test_all_that_is_told_of_a_flow_has_its_id():
    (alert,) = made(event("alert", {"signature": "x", "signature_id": 1}))
    (flow,) = made(event("flow", {}))
    assert flow.flow_id == alert.flow_id != ""


def test_the_community_id_is_that_of_suricata_or_computed():
    (given_,) = made(event("flow", {}, community_id="1:abc="))
    (own,) = made(event("flow", {}))
    assert given_.community_id == "1:abc="
    assert own.community_id == CommunityID().calc(FlowTuple.make_tcp("192.0.2.1", "198.51.100.2", 40_000, 443))
    (ping,) = made(event("flow", {}, proto="ICMP", icmp_type=8, icmp_code=0))
    assert ping.community_id == CommunityID().calc(FlowTuple.make_icmp("192.0.2.1", "198.51.100.2", 8, 0))
    assert (ping.transport, ping.source_port) == ("icmp", 0)
    (other,) = made(event("flow", {}, proto="002"))
    assert (other.transport, other.protocol_number) == ("igmp", 2)
    (long,) = made(event("flow", {}, src_ip="2001:0db8:0000:0000:0000:0000:0000:0001", dest_ip="2001:db8::2"))
    assert (long.source_ip, long.ip_version) == ("2001:db8::1", 6)


@pytest.mark.parametrize(
    "body",
    [
        ANSWER | {"rrname": "a.example", "rrtype": "A", "rdata": "192.0.2.5"},
        {
            **ANSWER, "version": 2, "rrname": "a.example", "rrtype": "A",
            "answers": [{"rrname": "a.example", "rrtype": "A", "ttl": 60, "rdata": "192.0.2.5"}],
        },
        {
            **ANSWER, "version": 2, "rrname": "a.example", "rrtype": "A",
            "grouped": {"A": ["192.0.2.5"]},
        },
        {
            "version": 3, "type": "response", "id": 3, "rcode": "NOERROR", "ra": True,
            "queries": [{"rrname": "a.example", "rrtype": "A"}],
            "answers": [{"rrname": "a.example", "rrtype": "A", "ttl": 60, "rdata": "192.0.2.5"}],
        },
    ],
)  # fmt: skip
def test_dns_of_every_version(body):
    (resource,) = made(event("dns", body, proto="UDP", dest_port=53))
    assert (resource.group, resource.uri, resource.label) == ("dns", "a.example", "answer A NOERROR 192.0.2.5")
    dns = resource.dns
    assert (dns.type, dns.message_id, dns.query_name, dns.flags) == ("answer", 3, "a.example", ["RA"])
    assert (dns.answers, dns.resolved_ips) == ([("a.example", "A", "192.0.2.5")], ["192.0.2.5"])


def test_a_dns_question():
    for kind in ("query", "request"):
        (resource,) = made(event("dns", {"type": kind, "id": 3, "rrname": "a.example", "rrtype": "TXT"}))
        assert (resource.uri, resource.label, resource.dns.type) == ("a.example", "query TXT", "query")


def test_http_is_a_request_and_its_response():
    body = {
        "hostname": "www.example", "http_port": 8080, "url": "/x?y", "http_user_agent": "curl", "http_method": "GET",
        "protocol": "HTTP/1.1", "status": 404, "length": 12, "http_content_type": "text/html",
        "request_headers": [{"name": "Authorization", "value": "secret"}, {"name": "Accept", "value": "*"}],
        "response_headers": [{"name": "Server", "value": "nginx"}, {"name": "Set-Cookie", "value": "secret"}],
    }  # fmt: skip
    request, response = made(event("http", body))
    assert request.uri == response.uri == "http://www.example:8080/x?y"
    assert request.id != response.id
    assert (request.http.type, request.http.method, request.http.user_agent) == ("request", "GET", "curl")
    assert request.http.headers == [("Accept", "*")]
    assert (response.http.type, response.http.status_code, response.http.server) == ("response", 404, "nginx")
    assert "secret" not in repr((request, response))
    (alone,) = made(event("http", {"hostname": "www.example", "url": "/", "protocol": "HTTP/1.0"}, dest_port=80))
    assert (alone.uri, alone.http.version) == ("http://www.example/", "1.0")


def test_tls_with_its_certificate():
    body = {
        "subject": "CN=a", "issuerdn": "CN=a", "serial": "0A:0b", "fingerprint": "2D:d1", "sni": "a.example",
        "version": "TLS 1.2", "notbefore": "2026-01-01T00:00:00", "notafter": "2027-01-01T00:00:00",
        "ja3": {"hash": "aa"}, "ja3s": {"hash": "bb"},
    }  # fmt: skip
    client, server, certificate = made(event("tls", body))
    assert (client.uri, client.tls.type, client.tls.ja3) == ("a.example", "client-hello", "aa")
    assert (server.tls.type, server.tls.version, server.tls.ja3s) == ("server-hello", "1.2", "bb")
    assert (certificate.group, certificate.uri) == ("x509", "SHA1:2dd1")
    assert (certificate.x509.self_signed, certificate.x509.serial_number) == (True, "0a0b")
    assert certificate.x509.not_after - certificate.x509.not_before == 365 * 86_400 * 1_000_000


def test_files_ssh_and_smb():
    (file,) = made(
        event(
            "fileinfo",
            {"filename": "/x", "sha256": "ab", "size": 3, "state": "CLOSED", "gaps": False},
            app_proto="http",
        )
    )
    assert (file.group, file.uri, file.file.complete, file.file.protocol) == ("file", "ab", True, "http")
    client, server = made(
        event(
            "ssh",
            {
                "client": {"proto_version": "2.0", "software_version": "c"},
                "server": {"proto_version": "2.0", "software_version": "s"},
            },
        )
    )
    assert (client.ssh.side, client.uri, server.ssh.side, server.uri) == ("client", "c", "server", "s")
    (smb,) = made(event("smb", {"dialect": "2.10", "command": "SMB2_COMMAND_CREATE", "filename": "f"}))
    assert (smb.group, smb.smb.version, smb.label) == ("smb", "2", "SMB2_COMMAND_CREATE f")


def test_statistics_are_a_sample():
    (sample,) = made({"timestamp": "2026-06-01T12:00:00Z", "event_type": "stats", "stats": {
        "uptime": 9, "capture": {"kernel_packets": 5, "kernel_drops": 1}, "decoder": {"pkts": "?", "bytes": -1},
    }})  # fmt: skip
    assert isinstance(sample, Metric)
    assert (sample.group, sample.key, sample.time) == ("Suricata", "peer", NOON)
    assert sample.meters == {"uptime": 9, "capture_kernel_packets": 5, "capture_kernel_drops": 1}
    assert sample.kinds["capture_kernel_drops"] == "delta_rate"


def test_passwords_of_ftp_are_taken_out():
    (document,) = made(json.dumps(event("ftp", {"command": "PASS", "command_data": 'se"cret'}), separators=(",", ":")))
    assert document.key == "ftp"
    assert json.loads(document.text)["ftp"] == {"command": "PASS", "command_data": "***"}


def test_any_other_event_is_a_document():
    text = json.dumps(event("anomaly", {"type": "stream"}))
    (document,) = made(text)
    assert isinstance(document, Document)
    assert (document.group, document.key, document.text, document.source_ip) == ("eve", "anomaly", text, "192.0.2.1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "eve-json"),
        ("{", "eve-json"),
        ('{"timestamp"', "eve-json"),
        ("[" * 100_000, "eve-type"),
        ('{"x":' + "[" * 100_000, "eve-json"),
        ("[]", "eve-type"),
        ("{}", "eve-type"),
        (event("flow", {}, src_port="80"), "eve-type"),
        (event("flow", {}, src_port=65_536), "eve-type"),
        (event("flow", {"bytes_toserver": -1}), "eve-type"),
        (event("flow", {"bytes_toserver": 1 << 63}), "eve-type"),
        (event("flow", {"bytes_toserver": 1.5}), "eve-type"),
        (event("flow"), "eve-type"),
        (event("flow", []), "eve-type"),
        (event("alert", {"signature": 5, "signature_id": 1}), "eve-type"),
        (event("dns", {"type": "riddle"}), "eve-type"),
        (event("flow", {}, timestamp="yesterday"), "eve-time"),
        (event("flow", {}, timestamp="2026-06-01"), "eve-time"),
        (event("flow", {"start": "x"}), "eve-time"),
        (event("flow", {}, proto="x" * 65), "eve-type"),
        (event("flow", {}, app_proto="x" * 65), "eve-type"),
        (event("flow", {}, host="x" * 256), "eve-type"),
        (event("flow", {}, tcp={"tcp_flags_ts": "0" * 65}), "eve-type"),
        (event("flow", {}, src_ip="192.0.2.256"), "eve-address"),
        (event("flow", {}, src_ip="a\0"), "eve-address"),
    ],
)
def test_what_cannot_be_used_has_a_reason(text, reason):
    with pytest.raises(EveError) as raised:
        made(text)
    assert raised.value.reason == reason
    assert raised.value.detail


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KINDS = (
    *("alert", "flow", "netflow", "dns", "http", "tls", "quic", "fileinfo", "ssh", "smb", "stats", "anomaly", "ftp"),
    "nothing known",
)
BODIES = {
    "alert": {"signature": "x", "signature_id": 1, "metadata": {"a": ["b"]}},
    "flow": {"start": "2026-06-01T13:00:00+0200", "end": "2026-06-01T13:30:00+0200", "reason": "timeout"},
    "netflow": {"pkts": 1, "bytes": 70, "start": "2026-06-01T13:00:00+0200"},
    "dns": ANSWER | {"rrname": "a", "rrtype": "A", "answers": [{"rrname": "a", "rrtype": "A", "rdata": "192.0.2.1"}],
                     "grouped": {"A": ["192.0.2.1"]}, "queries": [{"rrname": "a", "rrtype": "A"}]},
    "http": {"hostname": "a", "url": "/", "status": 200, "request_headers": [{"name": "A", "value": "b"}]},
    "tls": {"sni": "a", "version": "TLS 1.2", "chain": ["MAA="], "ja3": {"hash": "a"}, "subjectaltname": ["a"]},
    "quic": {"version": "1", "sni": "a", "ja4": "b"},
    "fileinfo": {"filename": "/", "state": "CLOSED", "size": 1, "sha256": "ab"},
    "ssh": {"client": {"proto_version": "2.0", "hassh": {"hash": "a"}}, "server": {"software_version": "s"}},
    "smb": {"dialect": "2.10", "command": "C"},
    "stats": {"uptime": 1, "decoder": {"pkts": 1}, "capture": {}},
}  # fmt: skip
TCP = {"tcp_flags_ts": "1b", "state": "closed", "rst": False}


def paths_of(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to each member and element of what JSON holds."""
    found = []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        found += [(*before, name), *paths_of(each, (*before, name))]
    return found


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(sorted(BODIES)), st.data())
def test_a_member_of_any_type_is_decoded_or_rejected(kind, data):
    whole = event(kind, BODIES[kind], tcp=TCP, vlan=[1], icmp_type=8, app_proto="tls", community_id="1:a=")
    assert made(whole)
    way = data.draw(st.sampled_from(paths_of(whole)))
    changed = json.loads(json.dumps(whole))
    at = changed
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = data.draw(VALUES)
    reason = ""
    try:
        assert made(changed)
    except EveError as error:
        reason = error.reason
    assert reason in {"", "eve-type", "eve-time", "eve-address"}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_whatever_stands_in_an_event_is_decoded_or_rejected(kind, data):
    from capture.eve import events  # noqa: PLC0415

    part = {name: getattr(events, name).__struct_fields__ for name in dir(events) if name.endswith("Part")}
    names = sorted({name for fields in part.values() for name in fields})
    body = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=5))
    more = data.draw(st.dictionaries(st.sampled_from(sorted(ENDS)), VALUES, max_size=1))
    reason = ""
    try:
        assert made(event(kind, body, **more))
    except EveError as error:
        reason = error.reason
    assert reason in {"", "eve-type", "eve-time", "eve-address"}


@settings(deadline=None)
@given(st.text(max_size=100) | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")))
def test_whatever_is_no_event_is_rejected(text):
    with pytest.raises(EveError):
        made(text)


def lines_of(name: str) -> list[str]:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no {path}: the data of others is not part of this repository")
    return path.read_text(encoding="utf-8").splitlines()


def test_every_line_of_a_real_log_is_handled():
    lines = lines_of("slips/test6-malicious.suricata.json")
    decoder = EveDecoder(observe_live("node", "udp://127.0.0.1:514", 1))
    kinds: Counter[str] = Counter(json.loads(line)["event_type"] for line in lines)
    groups: Counter[tuple[str, str]] = Counter()
    octets = 0
    for number, line in enumerate(lines):
        found = decoder.decode(line, "sensor", digest(number))
        assert found, line
        for topic, _, record in found:
            groups[topic.kind, getattr(record, "group", "")] += 1
            if isinstance(record, Flow):
                octets += record.total_bytes
            if isinstance(record, Endpoints):
                assert record.community_id.startswith("1:")
    assert len(lines) == 5000
    assert groups[FLOW.kind, ""] == kinds["flow"] == 3512
    assert groups["alert", "External IDS"] == kinds["alert"] == 745
    assert groups[RESOURCE.kind, "dns"] == kinds["dns"] == 680
    assert groups[RESOURCE.kind, "file"] == kinds["fileinfo"] == 3
    assert groups[DOCUMENT.kind, "eve"] == kinds["anomaly"] == 3
    assert groups[RESOURCE.kind, "url"] >= kinds["http"] == 56
    events = [json.loads(line) for line in lines]
    assert octets == sum(
        each["flow"]["bytes_toserver"] + each["flow"]["bytes_toclient"]
        for each in events
        if each["event_type"] == "flow"
    )


def test_every_kind_of_event_of_another_log_is_handled():
    records = [made(line)[0] for line in lines_of("vast/suricata/eve.json")]
    assert Counter(type(record) for record in records) == {Flow: 2, Alert: 1, Resource: 3, Metric: 1}
    assert METRIC.record is Metric
