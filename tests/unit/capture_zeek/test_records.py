"""What a line of each of Zeek's logs tells, the same in columns and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from communityid import CommunityID, FlowTuple

from tests.unit.capture_zeek.made import BEGAN, CONN, ENDS, Taken, columns_of, lines_of, read
from topics.partitions import digest

SECOND = 1_000_000
START = BEGAN * SECOND
Made = Callable[..., Taken]


@pytest.fixture(params=["columns", "json", "json-streaming"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """What is made of rows, by the log they are of."""

    def make(**logs: list[dict[str, Any]]) -> Taken:
        folder = tmp_path / "logs"
        folder.mkdir()
        if request.param == "json-streaming":
            (folder / "all.log").write_text("".join(lines_of(*rows, path=path) for path, rows in logs.items()))
        else:
            for path, rows in logs.items():
                text = columns_of(path, *rows) if request.param == "columns" else lines_of(*rows)
                (folder / f"{path}.log").write_text(text)
        taken = read(folder)
        assert taken.sums_up()
        return taken

    return make


def test_a_connection_is_a_flow_that_has_ended(made):
    taken = made(conn=[CONN])
    (flow,) = taken.flows
    assert (flow.record, flow.sequence, flow.state, flow.end_reason) == ("final", 0, "closed", "end")
    assert (flow.start, flow.end, flow.time) == (START, START + 2_500_000, START + 2_500_000)
    assert (flow.source_ip, flow.source_port, flow.destination_ip, flow.destination_port) == (
        "192.0.2.1", 40_000, "198.51.100.2", 443,
    )  # fmt: skip
    assert (flow.transport, flow.protocol_number, flow.application) == ("tcp", 6, "TLS")
    assert (flow.total_source_bytes, flow.total_destination_bytes) == (420, 2260)
    assert (flow.delta_source_bytes, flow.delta_destination_packets) == (420, 5)
    assert (flow.total_source_payload_bytes, flow.total_destination_payload_bytes) == (100, 2000)
    assert (flow.tcp_flags_source, flow.tcp_flags_destination) == (0x13, 0x13)
    assert flow.flow_id == digest(taken.observation.identity, "zeek", "C1")
    assert flow.node == "node"


@pytest.mark.parametrize(
    ("conn_state", "history", "state", "end_reason"),
    [
        ("S0", "S", "syn", "idle"),
        ("S1", "ShA", "established", "idle"),
        ("REJ", "Sr", "reset", "end"),
        ("RSTO", "ShAR", "reset", "end"),
        ("S2", "ShAF", "closing", "idle"),
        ("OTH", "Dd", "", "idle"),
    ],
)
def test_the_state_is_that_of_the_connection(tmp_path, conn_state, history, state, end_reason):
    log = tmp_path / "conn.log"
    log.write_text(lines_of(CONN | {"conn_state": conn_state, "history": history}))
    (flow,) = read(log).flows
    assert (flow.state, flow.end_reason) == (state, end_reason)


def test_only_tcp_has_a_state_and_flags(tmp_path):
    log = tmp_path / "conn.log"
    log.write_text(lines_of(CONN | {"proto": "udp", "service": "dns", "id.resp_p": 5353, "history": "Dd"}))
    (flow,) = read(log).flows
    assert (flow.state, flow.tcp_flags_source, flow.end_reason) == ("", 0, "idle")
    assert flow.application == "MDNS"


def test_payload_that_no_packet_can_have_carried_is_not_believed(tmp_path):
    log = tmp_path / "conn.log"
    log.write_text(lines_of(CONN | {"resp_bytes": 1_982_834_349, "resp_ip_bytes": 120}))
    (flow,) = read(log).flows
    assert (flow.total_destination_bytes, flow.total_destination_payload_bytes) == (120, 120)


def test_without_counts_of_packets_the_bytes_are_the_payload(tmp_path):
    log = tmp_path / "conn.log"
    counted = {name: value for name, value in CONN.items() if "pkts" not in name and "ip_bytes" not in name}
    log.write_text(lines_of(counted))
    (flow,) = read(log).flows
    assert (flow.total_source_bytes, flow.total_destination_bytes, flow.total_packets) == (100, 2000, 0)


@pytest.mark.parametrize(
    ("proto", "source", "source_port", "destination", "destination_port", "expected"),
    [
        ("tcp", "192.0.2.1", 40_000, "198.51.100.2", 443, FlowTuple.make_tcp),
        ("udp", "2001:db8::1", 40_000, "2001:db8::2", 53, FlowTuple.make_udp),
        # Echo and its reply; a destination that is unreachable has no answer.
        ("icmp", "192.0.2.1", 8, "198.51.100.2", 0, FlowTuple.make_icmp),
        ("icmp", "192.0.2.1", 3, "198.51.100.2", 1, FlowTuple.make_icmp),
        ("icmp", "2001:db8::1", 135, "2001:db8::2", 136, FlowTuple.make_icmp6),
    ],
)
def test_the_community_id_is_that_of_every_other_tool(
    tmp_path, proto, source, source_port, destination, destination_port, expected
):
    ends = {"id.orig_h": source, "id.orig_p": source_port, "id.resp_h": destination, "id.resp_p": destination_port}
    log = tmp_path / "conn.log"
    log.write_text(lines_of(CONN | ends | {"proto": proto}, CONN | ends | {"proto": proto, "community_id": "1:own"}))
    flow, own = read(log).flows
    code = 0 if expected is FlowTuple.make_icmp6 else destination_port
    last = destination_port if proto in {"tcp", "udp"} else code
    assert flow.community_id == CommunityID().calc(expected(source, destination, source_port, last))
    assert own.community_id == "1:own"


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("http", "HTTP"),
        ("ssl", "TLS"),
        ("gssapi,smb,ntlm", "SMBv23"),
        ("-http,ssl", "TLS"),
        ("ntlm", ""),
        ("", ""),
        ("ftp-data", "FTP_DATA"),
    ],
)
def test_a_service_has_the_name_that_other_engines_give(tmp_path, service, name):
    log = tmp_path / "conn.log"
    log.write_text(lines_of(CONN | {"service": service}))
    (flow,) = read(log).flows
    assert flow.application == name


def test_a_question_and_its_answer(made):
    row = {
        "ts": BEGAN, **ENDS, "id.resp_p": 53, "proto": "udp", "trans_id": 7, "rtt": 0.25, "query": "example.org",
        "qclass": 1, "qtype_name": "A", "rcode": 0, "rcode_name": "NOERROR", "AA": False, "TC": False, "RD": True,
        "RA": True, "Z": 0, "answers": ["alias.example.org", "192.0.2.7"],
    }  # fmt: skip
    query, answer = made(dns=[row]).resources
    assert query.dns is not None
    assert answer.dns is not None
    assert (query.dns.type, query.uri, query.time, query.dns.flags) == ("query", "example.org", START, ["RD"])
    assert (answer.dns.type, answer.time, answer.dns.response_code) == ("answer", START + 250_000, "NOERROR")
    assert answer.dns.answers == [("example.org", "CNAME", "alias.example.org"), ("example.org", "A", "192.0.2.7")]
    assert (answer.dns.resolved_ips, answer.dns.flags) == (["192.0.2.7"], ["RD", "RA"])
    assert (query.source_ip, answer.source_ip, query.transport) == ("192.0.2.1", "192.0.2.1", "udp")
    assert query.id != answer.id


def test_a_question_without_an_answer(made):
    row = {"ts": BEGAN, **ENDS, "proto": "udp", "query": "nobody.example", "qtype_name": "TXT", "RD": True}
    (query,) = made(dns=[row]).resources
    assert query.dns is not None
    assert (query.dns.type, query.dns.query_type, query.dns.flags) == ("query", "TXT", ["RD"])


def test_a_request_and_its_response(made):
    row = {
        "ts": BEGAN, **ENDS, "id.resp_p": 8080, "method": "GET", "host": "example.org", "uri": "/a?b",
        "referrer": "http://joe:secret@example.com/", "version": "1.1", "user_agent": "curl/8", "status_code": 404,
        "request_body_len": 0, "response_body_len": 12, "resp_mime_types": ["text/plain"], "password": "secret",
    }  # fmt: skip
    request, response = made(http=[row]).resources
    assert request.http is not None
    assert response.http is not None
    assert (request.group, request.uri) == ("url", "http://example.org:8080/a?b")
    assert (request.http.type, request.http.method, request.http.user_agent) == ("request", "GET", "curl/8")
    assert (response.http.type, response.http.status_code, response.http.body_bytes) == ("response", 404, 12)
    assert response.http.content_type == "text/plain"
    assert (request.transport, request.community_id) == ("tcp", response.community_id)
    assert "secret" not in repr((request, response))


def test_a_handshake_its_certificate_and_its_file(made):
    ssl = {
        "ts": BEGAN, **ENDS, "version": "TLSv12", "cipher": "TLS_RSA_WITH_RC4_128_SHA", "server_name": "example.org",
        "next_protocol": "h2", "ja3": "a" * 32, "cert_chain_fuids": ["F1", "F2"],
    }  # fmt: skip
    x509 = {
        "ts": BEGAN + 1, "id": "F2", "certificate.version": 3, "certificate.serial": "0A",
        "certificate.subject": "CN=Root", "certificate.issuer": "CN=Root",
        "certificate.not_valid_before": BEGAN - 10, "certificate.not_valid_after": BEGAN + 10,
        "certificate.sig_alg": "sha256WithRSAEncryption", "certificate.key_type": "rsa", "certificate.key_length": 2048,
        "san.dns": ["example.org"], "san.ip": ["192.0.2.9"],
    }  # fmt: skip
    file = {
        "ts": BEGAN + 1, "fuid": "F2", "tx_hosts": ["198.51.100.2"], "rx_hosts": ["192.0.2.1"], "conn_uids": ["C1"],
        "source": "SSL", "mime_type": "application/x-x509-ca-cert", "is_orig": False, "seen_bytes": 900,
        "md5": "1" * 32, "sha1": "2" * 40, "sha256": "3" * 64,
    }  # fmt: skip
    # The handshake is written last, as Zeek does: it is known by then what it came to.
    taken = made(x509=[x509], files=[file], ssl=[ssl])
    found = {resource.label if resource.tls else resource.group: resource for resource in taken.resources}
    client, server = found["client-hello"].tls, found["server-hello TLS 1.2 TLS_RSA_WITH_RC4_128_SHA"].tls
    assert client is not None
    assert server is not None
    assert (client.server_name, client.ja3, server.version, server.alpn) == ("example.org", "a" * 32, "TLS 1.2", ["h2"])
    certificate, carried = found["x509"], found["file"]
    assert certificate.x509 is not None
    assert (certificate.x509.position, certificate.x509.server_name, certificate.x509.self_signed) == (
        1, "example.org", True,
    )  # fmt: skip
    assert (certificate.x509.not_before, certificate.x509.not_after) == (START - 10 * SECOND, START + 10 * SECOND)
    assert certificate.x509.alternative_names == ["example.org", "192.0.2.9"]
    assert (certificate.uri, certificate.x509.sha256) == (f"SHA1:{'2' * 40}", "3" * 64)
    assert carried.file is not None
    assert (carried.uri, carried.file.size, carried.file.complete) == ("3" * 64, 900, True)
    for resource in (certificate, carried):
        assert (resource.source_ip, resource.destination_port) == ("192.0.2.1", 443)
        assert resource.community_id == found["client-hello"].community_id


def test_a_certificate_of_a_newer_zeek_is_known_by_its_fingerprint(made):
    ssl = {"ts": BEGAN, **ENDS, "server_name": "example.org", "cert_chain_fps": ["AB" * 32]}
    x509 = {"ts": BEGAN, "fingerprint": "ab" * 32, "certificate.subject": "CN=a", "certificate.issuer": "CN=b"}
    taken = made(ssl=[ssl], x509=[x509])
    certificate = next(resource for resource in taken.resources if resource.x509)
    assert certificate.x509 is not None
    assert (certificate.uri, certificate.x509.sha256) == (f"SHA256:{'ab' * 32}", "ab" * 32)
    assert (certificate.x509.self_signed, certificate.destination_port) == (False, 443)


def test_a_file_whose_connection_is_not_told_is_between_its_hosts(made):
    row = {
        "ts": BEGAN, "fuid": "F1", "tx_hosts": ["198.51.100.2"], "rx_hosts": ["192.0.2.1"], "conn_uids": ["C9"],
        "source": "HTTP", "mime_type": "application/x-dosexec", "filename": "setup.exe", "is_orig": False,
        "seen_bytes": 10, "total_bytes": 20, "missing_bytes": 0,
    }  # fmt: skip
    taken = made(files=[row])
    (resource,) = taken.resources
    assert resource.file is not None
    assert (resource.source_ip, resource.destination_ip, resource.transport) == ("192.0.2.1", "198.51.100.2", "")
    assert (resource.file.protocol, resource.file.format, resource.file.complete) == ("http", "pe", False)
    assert taken.counts["unjoined.file"] == 1


def test_a_notice_is_an_alert_about_the_host_it_names(made):
    row = {
        "ts": BEGAN, "note": "Scan::Address_Scan", "msg": "192.0.2.1 scanned 25 hosts", "sub": "remote",
        "src": "192.0.2.1", "proto": "tcp", "p": 23, "actions": ["Notice::ACTION_LOG"], "dropped": False,
    }  # fmt: skip
    (alert,) = made(notice=[row]).alerts
    assert (alert.action, alert.group, alert.type) == ("store", "Zeek", "zeek_notice")
    assert (alert.subtype, alert.message) == ("Scan::Address_Scan", "192.0.2.1 scanned 25 hosts")
    assert (alert.entity_kind, alert.entity, alert.source_ip) == ("host", "192.0.2.1", "192.0.2.1")
    assert (alert.severity, alert.category) == (4, "security")
    assert alert.attributes == {"sub": "remote", "port": "23", "actions": "Notice::ACTION_LOG"}


def test_a_notice_that_zeek_sends_mail_of_is_an_error_about_its_flow(made):
    row = {
        "ts": BEGAN, **ENDS, "proto": "tcp", "note": "SSL::Invalid_Server_Cert", "msg": "invalid",
        "actions": ["Notice::ACTION_EMAIL", "Notice::ACTION_LOG"],
    }  # fmt: skip
    taken = made(conn=[CONN], notice=[row])
    (alert,) = taken.alerts
    assert (alert.severity, alert.entity_kind) == (5, "flow")
    assert alert.entity == alert.flow_id == taken.flows[0].flow_id
    assert alert.community_id == taken.flows[0].community_id
    assert alert.evidence == [alert.flow_id]


def test_what_is_weird_is_an_alert_of_little_weight(made):
    rows = [{"ts": BEGAN, **ENDS, "name": "SYN_seq_jump"}, {"ts": BEGAN, "name": "truncated_IP", "peer": "sensor"}]
    flow, system = made(weird=rows, conn=[CONN]).alerts
    assert (flow.type, flow.subtype, flow.severity, flow.entity_kind) == ("zeek_weird", "SYN_seq_jump", 3, "flow")
    assert flow.transport == "tcp"
    assert (system.entity_kind, system.entity) == ("system", "sensor")
