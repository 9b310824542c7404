"""Checks of what flows carry: each fires on what it is for, on the right end, and not on its boundary."""

from typing import Any

import pytest

from tests.golden.checks.made import MINUTE, Case, Expected, resource, verify
from topics.records import Certificate, Dns, File, Http, Login, Resource, Smb, Ssh, Tls

NOW = (MINUTE + 1) * 1_000_000
DAY = 86_400_000_000
CLIENT, SERVER = "10.0.0.1", "198.51.100.1"


def x509(**fields: Any) -> Resource:
    given: dict[str, Any] = {
        "subject": "CN=www.example.org",
        "issuer": "CN=Some CA",
        "not_before": NOW - 10 * DAY,
        "not_after": NOW + 300 * DAY,
        "alternative_names": ["www.example.org", "*.example.net"],
        "server_name": "www.example.org",
        "public_key_algorithm": "RSA",
        "public_key_size": 2048,
        "signature_algorithm": "sha256WithRSAEncryption",
        **fields,
    }
    return resource("x509", x509=Certificate(**given))


def dns(name: str, kind: Any = "query", **fields: Any) -> Resource:
    given = {"query_type": "A", "operation": "QUERY", "question_count": 1, "size": 60, **fields}
    return resource("dns", uri=name, transport="udp", destination_port=53, dns=Dns(type=kind, query_name=name, **given))


def request(uri: str = "/", **fields: Any) -> Resource:
    given = {"method": "GET", "host": "www.example.org", "user_agent": "Mozilla/5.0", **fields}
    return resource("url", uri=uri, destination_port=80, http=Http(type="request", uri=uri, **given))


def response(**fields: Any) -> Resource:
    return resource("url", destination_port=80, http=Http(type="response", **{"status_code": 200, **fields}))


def hello(side: Any, **fields: Any) -> Resource:
    given = {"version": "TLS 1.3", "server_name": "www.example.org", **fields}
    return resource("tls", tls=Tls(type=f"{side}-hello", **given))


def file(**fields: Any) -> Resource:
    given = {"name": "a.bin", "protocol": "http", "mime_type": "application/octet-stream", **fields}
    return resource("file", destination_port=80, file=File(**given))


def ssh(side: Any, kind: Any = "version", **fields: Any) -> Resource:
    given = {"protocol_version": "2.0", "software": "OpenSSH_9.2p1", **fields}
    return resource("ssh", destination_port=22, ssh=Ssh(type=kind, side=side, **given))


CERTIFICATES = [
    Case(
        "certificate_expired",
        [x509(not_after=NOW - DAY)],
        Expected(SERVER, 100, 5, "expired 1 days ago", CLIENT),
        [x509(not_after=NOW)],
    ),
    Case(
        "certificate_not_yet_valid",
        [x509(not_before=NOW + 2 * DAY)],
        Expected(SERVER, 100, 5, "valid in 2 days"),
        [x509(not_before=NOW)],
    ),
    Case(
        "certificate_about_to_expire",
        [x509(not_after=NOW + 30 * DAY - 1)],
        Expected(SERVER, 50, 4, "expires in 30 days"),
        [x509(not_after=NOW + 30 * DAY), x509(not_after=NOW - DAY)],
    ),
    Case(
        "certificate_self_signed",
        [x509(self_signed=True)],
        Expected(SERVER, 100, 5, "signed by itself"),
        [x509(), x509(self_signed=True, position=1)],
    ),
    Case(
        "certificate_mismatch",
        [x509(server_name="a.b.example.net")],
        Expected(SERVER, 100, 5, "asked for a.b.example.net"),
        [
            x509(),
            x509(server_name="a.example.net"),
            x509(server_name=""),
            x509(server_name="WWW.Example.org"),
            x509(alternative_names=[]),
        ],
    ),
    Case(
        "certificate_validity_too_long",
        [x509(not_before=NOW - 99 * DAY)],
        Expected(SERVER, 50, 4, "valid for 399 days"),
        [x509(not_before=NOW - 98 * DAY)],
    ),
    Case(
        "certificate_weak",
        [x509(public_key_size=2047)],
        Expected(SERVER, 100, 5, "RSA key of 2047 bits"),
        [
            x509(),
            x509(public_key_algorithm="EC", public_key_size=256),
            x509(self_signed=True, signature_algorithm="sha1WithRSAEncryption"),
        ],
    ),
]

TLS = [
    Case(
        "tls_version",
        [hello("server", version="TLS 1.1")],
        Expected(CLIENT, 100, 5, "TLS 1.1 with www.example.org", SERVER),
        [hello("server", version="TLS 1.2"), hello("client", version="TLS 1.0")],
    ),
    Case(
        "tls_cipher",
        [hello("server", cipher="TLS_RSA_WITH_RC4_128_SHA")],
        Expected(CLIENT, 100, 5, "RC4"),
        [
            hello("server", cipher="TLS_AES_128_GCM_SHA256"),
            hello("server", cipher="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ],
    ),
    Case(
        "tls_no_server_name",
        [hello("client", server_name="")],
        Expected(CLIENT, 50, 4, "to 198.51.100.1:443"),
        [hello("client"), hello("server", server_name="")],
    ),
    Case(
        "tls_alpn",
        [hello("client", alpn=["h2", "mine/1"])],
        Expected(CLIENT, 50, 4, "'mine/1'"),
        [hello("client", alpn=["h2", "http/1.1", "\x3a\x3a"]), hello("client", alpn=["ours"])],
        {"items": ("ours",)},
    ),
]

DNS = [
    Case(
        "dns_dga",
        [dns("xjpqkwzvt3h9rmb2.com")],
        Expected(CLIENT, 100, 5, "xjpqkwzvt3h9rmb2.com looks made"),
        [
            dns(name)
            for name in (
                "www.wikipedia.org",
                "stackoverflow.com",
                "news.bbc.co.uk",
                "update-service.example.org",
                "1.0.0.10.in-addr.arpa",
                "d3f1m4b2c5x7.cloudfront.net",
            )
        ],
    ),
    Case(
        "dns_data_exfiltration",
        [dns(f"{'a' * 49}.t.example.com", query_type="TXT")],
        Expected(CLIENT, 100, 5, "in front of example.com (TXT)"),
        [dns(f"{'a' * 48}.t.example.com"), dns(".".join(["abcdefghi"] * 9) + ".example.com")],
    ),
    Case(
        "dns_large",
        [dns("a.example", "answer", size=513)],
        Expected(CLIENT, 10, 3, "513 bytes"),
        [dns("a.example", "answer", size=512)],
    ),
    Case(
        "dns_fragment",
        [dns("a.example", "answer", fragmented=True)],
        Expected(CLIENT, 50, 4, "fragmented"),
        [dns("a.example")],
    ),
    Case(
        "dns_suspicious",
        [dns("a.example", flags=["RD", "Z"])],
        Expected(CLIENT, 50, 4, "reserved bit"),
        [dns("a.example", flags=["RD", "AD"]), dns("a.example", operation="UPDATE")],
    ),
    Case(
        "dns_zone_transfer",
        [dns("example.org", query_type="AXFR")],
        Expected(CLIENT, 100, 5, "AXFR of example.org"),
        [dns("example.org", query_type="SOA")],
    ),
]

HTTP = [
    Case(
        "http_attack_url",
        [request("/?q=%3Cscript%3Ealert(1)%3C/script%3E"), request("/?id=1%20UNION%20ALL%20SELECT%201,2")],
        Expected(CLIENT, 150, 5, "cross-site scripting"),
        [request("/script/union?select=1"), request("/search?q=select+a+shell"), request("/a/../b")],
    ),
    Case(
        "http_user_agent",
        [request(user_agent="sqlmap/1.7")],
        Expected(CLIENT, 100, 5, "sqlmap"),
        [request(), request(user_agent="")],
    ),
    Case(
        "http_no_user_agent",
        [request("/x", user_agent="")],
        Expected(CLIENT, 10, 3, "GET www.example.org/x"),
        [request(), response()],
    ),
    Case(
        "http_numeric_host",
        [request("/x", host="198.51.100.1:8080")],
        Expected(CLIENT, 10, 3, "198.51.100.1:8080"),
        [request(), request(host="www.example.org:8080")],
    ),
    Case(
        "http_server_version",
        [response(server="Apache/2.2.15")],
        Expected(SERVER, 50, 4, "Apache/2.2.15"),
        [response(server="Apache/2.4.57"), response(server="nginx/1.24.0")],
    ),
    Case(
        "http_server_error",
        [response(status_code=500)],
        Expected(SERVER, 10, 3, "status 500"),
        [response(status_code=499)],
    ),
    Case(
        "program_transfer",
        [file(format="pe", sha256="ab")],
        Expected(CLIENT, 150, 5, "pe a.bin over http"),
        [file(format="zip"), file(format="")],
    ),
    Case(
        "disguised_program",
        [file(format="elf", mime_type="image/png")],
        Expected(CLIENT, 150, 5, "is elf, said to be image/png"),
        [file(format="elf"), file(format="script", mime_type="text/plain"), file(format="png", mime_type="image/png")],
    ),
]

ACCESS = [
    Case(
        "clear_text_login",
        [resource("login", login=Login(protocol="ftp", method="pass", user_name="anna"))],
        Expected(CLIENT, 100, 5, "password of anna over ftp"),
        [resource("login", login=Login(protocol="pop", method="pass"))],
        {"items": ("pop",)},
    ),
    Case(
        "ssh_client_version",
        [ssh("client", software="OpenSSH_6.6.1")],
        Expected(CLIENT, 100, 5, "OpenSSH_6.6.1"),
        [ssh("client", software="OpenSSH_7.0"), ssh("server", software="OpenSSH_6.6.1")],
    ),
    Case(
        "ssh_server_version",
        [ssh("server", protocol_version="1.5")],
        Expected(SERVER, 50, 4, "speaks SSH 1.5"),
        [ssh("server"), ssh("server", software="dropbear_2022.83")],
    ),
    Case(
        "ssh_weak_cipher",
        [ssh("server", "algorithms", ciphers=["aes128-ctr", "3des-cbc"])],
        Expected(SERVER, 50, 4, "offers 3des-cbc"),
        [ssh("server", "algorithms", ciphers=["aes128-ctr"])],
    ),
    Case(
        "smb_version_1",
        [resource("smb", smb=Smb(version="1", dialect="NT LM 0.12"))],
        Expected(CLIENT, 100, 5, "NT LM 0.12"),
        [resource("smb", smb=Smb(version="2"))],
    ),
    Case(
        "smb_not_signed",
        [resource("smb", smb=Smb(version="3", dialect="3.1.1"))],
        Expected(SERVER, 10, 3, "SMB 3.1.1"),
        [resource("smb", smb=Smb(version="3", signing_required=True))],
    ),
]

BY_FILE = {
    "certificates.py": CERTIFICATES,
    "tls.py": TLS,
    "dns.py": DNS,
    "http.py": HTTP,
    "access.py": ACCESS,
}


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name, cases in BY_FILE.items() for case in cases],
    ids=lambda each: getattr(each, "check", ""),
)
def test_a_check_of_resources(name: str, case: Case) -> None:
    verify(name, case)
