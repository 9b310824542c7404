"""Traffic that is made to do harm to whoever looks at it: packets, lines and a trap, as an attacker could send them.

Each place has a mark of its own (``window.harmed='dns'``), so that a test can tell what is shown where.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.capture.wire import ACK, FIN, PSH, Frame, pcap, tcp, udp

DAY = "2001-01-01"
BEGIN = 978_350_400 * 1_000_000
"""Noon of that day, in microseconds."""

CLIENT, SERVER = "192.0.2.66", "198.51.100.66"
LONG = "A" * 4096


def harm(place: str) -> str:
    """Markup, quotes, a template, a command to a terminal, writing from right to left, and more than 4 KB."""
    return f"<script>window.harmed='{place}'</script>\"'><img src=x onerror=alert(1)>{{{{7*7}}}}\x1b[31m\u202egpj{LONG}"


def write_capture(path: Path) -> None:
    """DNS, HTTP and TLS."""
    datagrams = [
        udp(CLIENT, SERVER, 40000, 53, _dns(query=True)),
        udp(SERVER, CLIENT, 53, 40000, _dns(query=False)),
    ]
    frames = [
        *datagrams,
        *_talk(40001, 80, _request(), _answer()),
        *_talk(40002, 443, _client_hello(), _server_hello()),
    ]
    path.write_bytes(pcap(Frame(BEGIN + number * 1000, frame) for number, frame in enumerate(frames)))


def write_lines(path: Path) -> None:
    """A line of syslog, one of Suricata's events in syslog, and one that is neither."""
    event = {
        "timestamp": f"{DAY}T12:00:01.000000+0000",
        "flow_id": 1,
        "event_type": "alert",
        "src_ip": CLIENT,
        "src_port": 40003,
        "dest_ip": SERVER,
        "dest_port": 80,
        "proto": "TCP",
        "app_proto": "http",
        "alert": {"signature": harm("signature"), "signature_id": 1, "category": harm("category"), "severity": 1},
        "http": {"hostname": harm("event"), "url": harm("event"), "http_user_agent": harm("event")},
    }
    begin = f"<13>1 {DAY}T12:00:00Z"
    lines = [
        f"{begin} <script>window.harmed='host'</script> program - - - {harm('message')}",
        f"{begin} host suricata - - - {json.dumps(event, ensure_ascii=False)}",
        f"{begin} host suricata - - - {harm('no event')}",
        f"no priority {harm('no line')}",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def trap() -> bytes:
    """An SNMP v2c trap (linkDown) that describes its interface so; what is no text is shown in hexadecimal anyway."""
    text = "".join(filter(str.isprintable, harm("snmp")))
    pairs = [
        ((1, 3, 6, 1, 2, 1, 1, 3, 0), b"\x43\x01\x01"),
        ((1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0), _identifier((1, 3, 6, 1, 6, 3, 1, 1, 5, 3))),
        ((1, 3, 6, 1, 2, 1, 2, 2, 1, 2, 3), _ber(0x04, text.encode())),
    ]
    variables = _ber(0x30, b"".join(_ber(0x30, _identifier(name) + value) for name, value in pairs))
    pdu = _ber(0xA7, b"\x02\x01\x01\x02\x01\x00\x02\x01\x00" + variables)
    return _ber(0x30, b"\x02\x01\x01" + _ber(0x04, b"public") + pdu)


def _talk(client_port: int, server_port: int, asked: bytes, answered: bytes) -> list[bytes]:
    there = (CLIENT, SERVER, client_port, server_port)
    back = (SERVER, CLIENT, server_port, client_port)
    return [
        tcp(*there, PSH | ACK, asked),
        tcp(*back, PSH | ACK, answered),
        tcp(*there, FIN | ACK),
        tcp(*back, FIN | ACK),
    ]


def _dns(*, query: bool) -> bytes:
    """A question for a name of four labels; of 63 bytes each has at most so many."""
    labels = [
        b"<script>window.harmed='dns'</script>",
        b"\"'><img src=x onerror=alert(1)>",
        "\x1b[31m\x00\u202egpj".encode(),
        b"A" * 63,
    ]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    question = name + struct.pack("!HH", 1, 1)
    if query:
        return struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + question
    address = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + bytes([203, 0, 113, 66])
    return struct.pack("!HHHHHH", 1, 0x8180, 1, 1, 0, 0) + question + address


def _request() -> bytes:
    path = harm("path").replace(" ", "%20")
    lines = (f"GET /{path} HTTP/1.1", f"Host: {harm('http-host')}", f"User-Agent: {harm('program')}")
    return "\r\n".join((*lines, "", "")).encode()


def _answer() -> bytes:
    lines = ("HTTP/1.1 200 OK", f"Server: {harm('server')}", f"Content-Type: {harm('content')}", "Content-Length: 2")
    return "\r\n".join((*lines, "", "hi")).encode()


def _client_hello() -> bytes:
    name = harm("sni").encode()
    entry = b"\0" + struct.pack("!H", len(name)) + name
    names = struct.pack("!H", len(entry)) + entry
    extensions = struct.pack("!HH", 0, len(names)) + names
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\x00\x02\xc0\x2f" + b"\x01\x00"
    return _handshake((1, body + struct.pack("!H", len(extensions)) + extensions))


def _server_hello() -> bytes:
    certificate = _certificate()
    length = len(certificate).to_bytes(3, "big")
    chain = (len(certificate) + 3).to_bytes(3, "big") + length + certificate
    return _handshake((2, b"\x03\x03" + bytes(32) + b"\0" + b"\xc0\x2f\x00"), (11, chain), (14, b""))


def _handshake(*messages: tuple[int, bytes]) -> bytes:
    content = b"".join(bytes([kind]) + len(body).to_bytes(3, "big") + body for kind, body in messages)
    return b"\x16\x03\x03" + struct.pack("!H", len(content)) + content


def _certificate() -> bytes:
    """Names longer than the standard lets them be: whoever signs for himself need not care."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, issuer = (
        x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, harm(place), _validate=False)])
        for place in ("subject", "issuer")
    )
    begin = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(66)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=9999))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def _ber(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes(4, "big").lstrip(b"\0")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def _identifier(numbers: tuple[int, ...]) -> bytes:
    return _ber(0x06, bytes([numbers[0] * 40 + numbers[1], *numbers[2:]]))
