"""What the sides of SSH connections say of themselves."""

from __future__ import annotations

import hashlib
import struct

import pytest

from capture.tshark.ssh import LIST_LIMIT
from tests.unit.capture_tshark.conversations import CLIENT, SERVER, TcpConversation, see

KEY_EXCHANGE = "curve25519-sha256,diffie-hellman-group1-sha1"
HOST_KEYS = "ssh-ed25519,ssh-dss"
THERE, BACK = "aes128-ctr,3des-cbc", "aes256-ctr,arcfour"
MACS_THERE, MACS_BACK = "hmac-sha2-256,hmac-md5", "hmac-sha1"


def offer(key_exchange=KEY_EXCHANGE, there=THERE, back=BACK):
    lists = (key_exchange, HOST_KEYS, there, back, MACS_THERE, MACS_BACK, "none", "zlib", "", "")
    payload = b"\x14" + bytes(16) + b"".join(struct.pack("!I", len(each)) + each.encode() for each in lists) + bytes(5)
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack("!IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def test_each_side_tells_its_version_and_what_it_offers(tmp_path):
    talk = TcpConversation(22).server(b"SSH-2.0-OpenSSH_5.3 Old-1\r\n").client(b"SSH-2.0-libssh2_1.4\r\n")
    talk.client(offer()).server(offer())
    client, server = {}, {}
    for record in see(tmp_path / "x.pcap", talk.close().frames).resources("ssh"):
        assert (record.source_ip, record.destination_ip, record.destination_port) == (CLIENT, SERVER, 22)
        (client if record.ssh.side == "client" else server)[record.ssh.type] = record

    assert (server["version"].ssh.protocol_version, server["version"].uri) == ("2.0", "OpenSSH_5.3 Old-1")
    assert (client["version"].ssh.protocol_version, client["version"].uri) == ("2.0", "libssh2_1.4")
    offered, answered = client["algorithms"].ssh, server["algorithms"].ssh
    assert (offered.software, answered.software) == ("libssh2_1.4", "OpenSSH_5.3 Old-1")
    assert offered.key_exchange == answered.key_exchange == KEY_EXCHANGE.split(",")
    assert offered.host_keys == HOST_KEYS.split(",")
    assert (offered.ciphers, offered.macs) == (THERE.split(","), MACS_THERE.split(","))
    assert (answered.ciphers, answered.macs) == (BACK.split(","), MACS_BACK.split(","))
    hashed = [
        hashlib.md5(f"{KEY_EXCHANGE};{ciphers};{macs};{compression}".encode()).hexdigest()
        for ciphers, macs, compression in ((THERE, MACS_THERE, "none"), (BACK, MACS_BACK, "zlib"))
    ]
    assert [offered.hassh, answered.hassh] == hashed == [client["algorithms"].uri, server["algorithms"].uri]


@pytest.mark.parametrize(
    ("line", "version", "software"),
    [
        (b"SSH-1.5-1.2.27\n", "1.5", "1.2.27"),
        (b"SSH-1.99-OpenSSH_3.4+p1-x\r\n", "1.99", "OpenSSH_3.4+p1-x"),
    ],
)
def test_old_versions_are_told(tmp_path, line, version, software):
    (record,) = see(tmp_path / "x.pcap", TcpConversation(22).server(line).close().frames).resources("ssh")

    assert (record.ssh.side, record.ssh.protocol_version, record.ssh.software) == ("server", version, software)


def test_endless_lists_are_cut(tmp_path):
    many = ",".join(f"a{number}" for number in range(1000))
    talk = TcpConversation(22).client(b"SSH-2.0-x\r\n").client(offer(many, many, many))
    record = see(tmp_path / "x.pcap", talk.close().frames).resources("ssh")[-1]

    assert len(record.ssh.key_exchange) == len(record.ssh.ciphers) == LIST_LIMIT
