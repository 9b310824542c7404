"""One record of every kind that is exported, with every field that a document is made of.

``python -m tests.unit.exporters.samples >tests/golden/elasticsearch_documents.jsonl`` writes what is expected anew.
"""

import sys
from typing import Literal

import msgspec

from exporters.elasticsearch import encode_document
from topics.catalog import (
    ALERT_STATE,
    ANNOTATION,
    COUNTER,
    DEAD,
    DOCUMENT,
    FLOW,
    NOTIFICATION,
    RESOURCE,
    TRACK,
    Topic,
)
from topics.records import (
    Alert,
    AlertState,
    Annotation,
    Certificate,
    DeadLetter,
    Dns,
    Document,
    File,
    Flow,
    Http,
    Login,
    Metric,
    Record,
    Resource,
    Smb,
    Ssh,
    Syslog,
    Tls,
    Track,
    TrackEntry,
)

STREAM = "file-0123456789abcdef"
WINDOW = 1_700_000_040
TIME = 1_700_000_050_123_456

_ENDS = {
    "time": TIME,
    "node": "node-1",
    "observation_point": "eth0",
    "community_id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
    "source_ip": "192.0.2.10",
    "destination_ip": "2001:db8::1",
    "source_port": 50000,
    "destination_port": 443,
    "transport": "tcp",
    "protocol_number": 6,
    "vlan_id": 7,
}


def flow(number: int = 0, **fields: object) -> Flow:
    """A flow of its own for each number."""
    values = {
        **_ENDS,
        "id": f"{number:032x}",
        "flow_id": f"{number:032x}",
        "record": "final",
        "source_ip": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "destination_ip": "198.51.100.7",
        "start": TIME - 2_500_000,
        "end": TIME,
        "source_mac": "00:00:5e:00:53:0a",
        "destination_mac": "00:00:5e:00:53:ff",
        "tunnel": "gre",
        "tunnel_source_ip": "192.0.2.250",
        "tunnel_destination_ip": "2001:db8::fa",
        "tunnel_id": 3_000_000_000,
        "application": "TLS.Google",
        "application_category": "Web",
        "server_name": "www.example.org",
        "client_fingerprint": "e7d705a3286e19ea42f587b344ee6865",
        "server_fingerprint": "ae4edc6faf64d08308082ad26be60767",
        "user_agent": "curl/8.5.0",
        "state": "closed",
        "end_reason": "end",
        "tcp_flags_source": 27,
        "tcp_flags_destination": 26,
        "delta_source_bytes": 1000 + number,
        "delta_destination_bytes": 20_000,
        "delta_source_packets": 10,
        "delta_destination_packets": 20,
        "total_source_bytes": 1000 + number,
        "total_destination_bytes": 20_000,
        "total_source_packets": 10,
        "total_destination_packets": 20,
        "setup_rtt_us": 18_300,
        "delta_source_retransmissions": 1,
        "delta_destination_retransmissions": 2,
        "total_source_retransmissions": 3,
        "total_destination_retransmissions": 4,
        "total_source_out_of_order": 5,
        "total_destination_out_of_order": 6,
        "total_source_zero_windows": 7,
        "total_destination_zero_windows": 8,
        "total_source_payload_bytes": 600,
        "total_destination_payload_bytes": 19_000,
        "exporter_ip": "192.0.2.1",
        "input_interface": 3,
        "output_interface": 7,
        "sampling_rate": 1,
        "source_country": "CH",
        "destination_country": "NL",
        "source_city": "Bern",
        "destination_city": "Utrecht",
        "source_as_number": 64_496,
        "destination_as_number": 64_511,
        "source_as_organization": "Example",
        "destination_as_organization": "Another example",
        "source_site": "head office",
        "destination_site": "branch",
        "source_subnet": "clients",
        "destination_subnet": "servers",
        "source_vendor": "ICANN",
        "destination_vendor": "IANA",
        "source_container": "shop-1",
        "destination_container": "web",
        "source_image": "shop:2.1",
        "destination_image": "nginx:1.27",
        "source_labels": ("tier=back",),
        "destination_labels": ("com.docker.compose.project=site", "tier=front"),
        "service": "https",
        "direction": "outbound",
        "source_role": "workstation",
        "destination_role": "proxy",
        "source_domain": "desk.example.net",
        "destination_domain": "edge.example.org",
        "source_blacklists": ("lab",),
        "destination_blacklists": ("lab", "feodo"),
        "risks": ("tls_selfsigned_certificate", "tls_weak_cipher"),
        "tags": ("lab",),
        "score": 40,
        "reasons": ("self-signed", "short"),
    }
    return Flow(**{**values, **fields})


def dns(number: int = 0) -> Resource:
    """A DNS answer."""
    return Resource(
        **_ENDS,
        id=f"d{number:031x}",
        group="dns",
        uri="www.example.org",
        label="A 192.0.2.1",
        dns=Dns(
            type="answer",
            message_id=4660,
            query_name="www.example.org",
            query_type="A",
            query_class="IN",
            response_code="NOERROR",
            answers=[("www.example.org", "A", "192.0.2.1")],
            resolved_ips=["192.0.2.1"],
            flags=["RD", "RA"],
            truncated=True,
            operation="QUERY",
            size=1600,
            fragmented=True,
            answer_bytes=4,
            question_count=1,
            answer_count=1,
            authority_count=2,
            additional_count=3,
        ),
    )


def counter(number: int = 0, **meters: float) -> Metric:
    """One key's total of one window."""
    return Metric(
        id=f"c{number:031x}",
        time=WINDOW * 1_000_000,
        group="Hosts",
        key=f"10.0.0.{number}",
        label="a host",
        meters=meters or {"bytes": 5000, "flows": 2, "share": 0.5},
        stream=STREAM,
        window=WINDOW,
        source="flow",
    )


def alert(number: int = 0, event: Literal["raised", "changed", "released", "stored"] = "raised") -> Alert:
    """What was told of an alert that names everything an alert can."""
    return Alert(
        **_ENDS,
        id=f"a{number:031x}",
        type="short-ssh",
        message="a session of 900 bytes",
        action="release" if event == "released" else "trigger",
        subtype="bytes",
        granularity="min",
        entity="192.0.2.10",
        entity_kind="host",
        peer="2001:db8::1",
        category="security",
        group="sessions",
        signature="SSH session that moved nothing",
        classification="policy",
        status="engaged",
        severity=5,
        priority=2,
        score=30,
        script="short_ssh.py",
        configuration="checks/short_ssh/overrides/0",
        instance="flow-0",
        value=900.0,
        threshold=1000.0,
        flow_id="f" * 32,
        evidence=["f" * 32],
        links=["https://wiki.example.org/short-ssh"],
        attributes={"client": "OpenSSH"},
        event=event,
        episode="b" * 32,
        began=TIME - 60_000_000,
        count=3,
    )


def alert_state(number: int = 0) -> AlertState:
    """How a condition stands, with everything that is known of one."""
    return AlertState(
        id=f"5{number:031x}",
        time=TIME,
        alert=alert(number, "released"),
        status="released",
        holders={"flow-0/short_ssh.py": TIME},
        heard={"flow-0/short_ssh.py": TIME},
        told=[f"a{number:031x}"],
        acknowledged="ada",
        notifications=2,
        withheld="excluded",
        offset=7,
        ordinal=1,
    )


def document(number: int = 0) -> Document:
    """Full text."""
    return Document(
        **_ENDS, id=f"t{number:031x}", group="http-headers", key="GET /", text="Host: example.org\r\n", script="texts"
    )


def log_line(number: int = 0) -> Document:
    """A line of a log."""
    head = Syslog(
        producer="sshd",
        facility=4,
        severity=5,
        version=1,
        hostname="web1",
        application="sshd",
        process_id="7",
        message_id="LOGIN",
        structured_data={"origin@32473": {"ip": "192.0.2.9"}},
    )
    return Document(
        **_ENDS, id=f"l{number:031x}", group="syslog", key="sshd", text="Accepted publickey for ada", syslog=head
    )


def dead_letter() -> DeadLetter:
    """A message that could not be used."""
    return DeadLetter(
        id="e" * 32,
        time=TIME,
        node="exporter-elasticsearch",
        topic="tapline.flow.v1",
        partition=0,
        offset=0,
        reason="undecodable",
        stage="exporter-elasticsearch",
        error="undecodable: JSON is malformed",
        value="bm90IGpzb24=",
        headers=[("schema", "Zmxvdy8x")],
    )


def dropped_letter() -> DeadLetter:
    """What was done about a dead letter."""
    return msgspec.structs.replace(
        dead_letter(),
        id="d0" * 16,
        state="dropped",
        letter="e" * 32,
        author="ada",
        comment="a test",
        value="",
        headers=[],
    )


def track() -> Track:
    """A flow tracker's list."""
    return Track(
        id="b" * 32,
        time=TIME,
        tracker="largest",
        window=WINDOW,
        bucket_seconds=60,
        stream=STREAM,
        entries=[
            TrackEntry(
                flow_id="f" * 32,
                metric=9000.0,
                source_ip="192.0.2.10",
                destination_ip="2001:db8::1",
                source_port=50000,
                destination_port=443,
                transport="tcp",
                application="TLS.Google",
                start=TIME - 2_500_000,
            ),
            TrackEntry(flow_id="e" * 32, metric=0.5),
        ],
    )


def tag() -> Annotation:
    """What a script said about a flow."""
    return Annotation(
        **_ENDS,
        id="1" * 32,
        kind="tag",
        key="f" * 32,
        value="NOTCISCOTOP1M",
        flow_id="f" * 32,
        application="TLS.Google",
        script="umbrella",
        stream=STREAM,
        window=WINDOW,
    )


def status() -> Annotation:
    """What a check found on a flow."""
    return Annotation(
        **_ENDS,
        id="2" * 32,
        kind="status",
        key="f" * 32,
        name="tls_certificate_expired",
        value="since 2026-01-01",
        description="Expired certificate",
        flow_id="f" * 32,
        application="TLS.Google",
        script="certificates",
        stream=STREAM,
        window=WINDOW,
        score=100,
        client_score=100,
    )


def key_annotation(kind: Literal["label", "attribute", "edge"]) -> Annotation:
    """What a script said about a key, or two."""
    own = {
        "label": {"value": "printer", "description": "on the first floor"},
        "attribute": {"name": "vendor", "value": "Example"},
        "edge": {"other_group": "Apps", "other_key": "DNS"},
    }
    return Annotation(id=kind, time=TIME, kind=kind, group="Hosts", key="192.0.2.10", script="keys", **own[kind])


def _url(kind: str) -> Resource:
    http = Http(
        type="request",
        version="1.1",
        method="POST",
        host="www.example.org:8080",
        uri="/search?q=a%20b&n=1",
        user_agent="curl/8.5.0",
        referrer="http://www.example.org:8080/",
        content_type="application/json",
        body_bytes=17,
        headers=[("Host", "www.example.org:8080"), ("accept", "*/*")],
    )
    if kind == "response":
        http = Http(
            type="response",
            version="1.1",
            status_code=404,
            server="Apache/2.2.3",
            content_type="text/html; charset=utf-8",
            body_bytes=512,
            headers=[("Content-Type", "text/html; charset=utf-8")],
        )
    return Resource(
        **_ENDS,
        id="1" * 31 + ("a" if kind == "request" else "b"),
        group="url",
        uri="http://www.example.org:8080/search?q=a%20b&n=1",
        http=http,
    )


def _tls(kind: str) -> Resource:
    tls = Tls(
        type="client-hello",
        version="TLS 1.2",
        server_name="www.example.org",
        alpn=["h2", "http/1.1"],
        ja3="e7d705a3286e19ea42f587b344ee6865",
        ja4="t13d1516h2_8daaf6152771_b0da82dd1658",
    )
    if kind == "server-hello":
        tls = Tls(
            type="server-hello",
            version="1.3",
            cipher="TLS_AES_128_GCM_SHA256",
            alpn=["h2"],
            ja3s="ae4edc6faf64d08308082ad26be60767",
            ja4s="t130200_1301_234ea6891581",
        )
    return Resource(**_ENDS, id="2" * 31 + kind[0], group="tls", uri="www.example.org", tls=tls)


def _certificate() -> Resource:
    return Resource(
        **_ENDS,
        id="3" * 32,
        group="x509",
        uri="SHA1:" + "ab" * 20,
        label="-----BEGIN CERTIFICATE-----",
        x509=Certificate(
            subject="CN=www.example.org,O=Example\\, Inc.,C=US",
            issuer="C=US, O=Example, CN=Example\\, Inc. CA",
            serial_number="0a:ff",
            not_before=-631_152_000_000_000,
            not_after=253_402_300_799_000_000,
            alternative_names=["www.example.org", "example.org"],
            public_key_algorithm="RSA",
            public_key_size=2048,
            signature_algorithm="SHA256-RSA",
            version=3,
            md5="cd" * 16,
            sha1="ab" * 20,
            sha256="ef" * 32,
            self_signed=True,
            server_name="www.example.org",
            der="MIIB",
        ),
    )


def _file() -> Resource:
    return Resource(
        **_ENDS,
        id="4" * 32,
        group="file",
        uri="ef" * 32,
        label="setup.exe",
        script="files",
        file=File(
            name="setup.exe",
            protocol="HTTP",
            mime_type="application/x-dosexec",
            format="pe",
            size=4096,
            complete=False,
            md5="cd" * 16,
            sha1="ab" * 20,
            sha256="ef" * 32,
        ),
    )


def _ssh() -> Resource:
    return Resource(
        **_ENDS,
        id="5" * 32,
        group="ssh",
        uri="92674389fa1e47a27ddd8d9b63ecd42b",
        label="client algorithms SSH-2.0-OpenSSH_5.3",
        ssh=Ssh(
            type="algorithms",
            side="client",
            protocol_version="2.0",
            software="OpenSSH_5.3",
            hassh="92674389fa1e47a27ddd8d9b63ecd42b",
            key_exchange=["curve25519-sha256", "diffie-hellman-group1-sha1"],
            host_keys=["ssh-ed25519", "ssh-dss"],
            ciphers=["aes128-ctr", "arcfour"],
            macs=["hmac-sha2-256", "hmac-md5"],
        ),
    )


def _smb() -> Resource:
    smb = Smb(version="3", dialect="3.1.1", signing_required=True)
    return Resource(**_ENDS, id="6" * 32, group="smb", uri="3.1.1", label="SMB 3.1.1", smb=smb)


def _login() -> Resource:
    login = Login(protocol="ftp", method="pass", user_name="joe")
    return Resource(**_ENDS, id="7" * 32, group="login", uri="joe", label="ftp pass", login=login)


SAMPLES: list[tuple[Topic, Record]] = [
    (FLOW, flow()),
    (
        FLOW,
        flow(
            1,
            record="update",
            sequence=2,
            application="DNS.GoogleServices",
            ip_version=6,
            source_ip="2001:db8::2",
            destination_ip="2001:db8::1",
            client_fingerprint="",
            server_fingerprint="",
            vlan_id=0,
            tags=(),
            score=0,
            reasons=(),
            total_source_bytes=5000,
        ),
    ),
    (RESOURCE, dns()),
    (RESOURCE, _url("request")),
    (RESOURCE, _url("response")),
    (RESOURCE, _tls("client-hello")),
    (RESOURCE, _tls("server-hello")),
    (RESOURCE, _certificate()),
    (RESOURCE, _file()),
    (RESOURCE, _ssh()),
    (RESOURCE, _smb()),
    (RESOURCE, _login()),
    (DOCUMENT, document()),
    (DOCUMENT, log_line()),
    (NOTIFICATION, alert()),
    (NOTIFICATION, alert(1, "released")),
    (ALERT_STATE, alert_state()),
    (COUNTER, counter()),
    (TRACK, track()),
    (ANNOTATION, tag()),
    (ANNOTATION, status()),
    (ANNOTATION, key_annotation("label")),
    (ANNOTATION, key_annotation("attribute")),
    (ANNOTATION, key_annotation("edge")),
    (DEAD, dead_letter()),
    (DEAD, dropped_letter()),
]

if __name__ == "__main__":
    for topic, record in SAMPLES:
        sys.stdout.write(encode_document(topic, record, STREAM, WINDOW).decode() + "\n")
