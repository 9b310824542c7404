"""Which SMB a connection speaks."""

from __future__ import annotations

import struct

import pytest

from tests.unit.capture_tshark.conversations import CLIENT, SERVER, TcpConversation, see
from tests.unit.capture_tshark.test_files import CLOSE, session, smb2
from topics.records import Smb

DIALECTS = (b"PC NETWORK PROGRAM 1.0", b"NT LM 0.12", b"SMB 2.002", b"SMB 2.???")


def smb1(command, words, data, *, answer=False):
    head = b"\xffSMB" + struct.pack("<BIBHHQHHHHH", command, 0, 0x80 if answer else 0, 0, 0, 0, 0, 0, 1, 0, 1)
    return head + bytes([len(words) // 2]) + words + struct.pack("<H", len(data)) + data


def offer():
    return smb1(0x72, b"", b"".join(b"\x02" + dialect + b"\0" for dialect in DIALECTS))


def choice(index, security=3):
    return smb1(0x72, struct.pack("<HBHHIIIIQHB", index, security, 1, 1, 1, 1, 0, 0, 0, 0, 0), b"", answer=True)


def choice2(dialect, security=1):
    body = struct.pack("<HHHH16sIIIIQQHHI", 65, security, dialect, 0, bytes(16), 0, 1, 1, 1, 0, 0, 128, 0, 0)
    return smb2(0, 0, body, answer=True)


def ask2():
    return smb2(0, 0, struct.pack("<HHHHI16sQHH", 36, 2, 1, 0, 0, bytes(16), 0, 0x0202, 0x0210))


CONNECTIONS = {
    "1": ((offer(), choice(1), offer(), choice(1)), [Smb(version="1", dialect="NT LM 0.12")]),
    "1 signed": ((offer(), choice(1, 0x0F)), [Smb(version="1", dialect="NT LM 0.12", signing_required=True)]),
    "1 underway": ((smb1(0x04, struct.pack("<HI", 5, 0), b""),), [Smb(version="1")]),
    "2": ((ask2(), choice2(0x0202)), [Smb(version="2", dialect="2.0.2")]),
    "2 underway": ((smb2(CLOSE, 4, struct.pack("<HHI", 24, 0, 0) + bytes(16)),), [Smb(version="2")]),
    "3 signed": ((ask2(), choice2(0x0311, 3)), [Smb(version="3", dialect="3.1.1", signing_required=True)]),
    "3 asked in 1": ((offer(), choice2(0x02FF), ask2(), choice2(0x0302)), [Smb(version="3", dialect="3.0.2")]),
    "offer of 1": ((offer(),), []),
    "refusal": ((offer(), choice(0xFFFF)), []),
    "offer of 2": ((ask2(),), []),
    "another round": ((offer(), choice2(0x02FF)), []),
}
"""The messages of each connection, and what it tells."""


def talk_of(messages, client_port):
    talk = TcpConversation(445, client_port)
    for message in messages:
        answer = message[16] & 1 if message[:1] == b"\xfe" else message[9] & 0x80
        (talk.server if answer else talk.client)(session(message))
    return talk.close()


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """What all connections tell, each from a client port of its own."""
    talks = [talk_of(messages, 40_000 + at) for at, (messages, _) in enumerate(CONNECTIONS.values())]
    frames = sorted(frame for talk in talks for frame in talk.frames)
    return see(tmp_path_factory.mktemp("smb") / "x.pcap", frames).resources("smb")


@pytest.mark.parametrize(("at", "name"), list(enumerate(CONNECTIONS)), ids=CONNECTIONS)
def test_a_connection_tells_once_what_it_speaks(records, at, name):
    told = [record for record in records if record.source_port == 40_000 + at]

    assert [record.smb for record in told] == CONNECTIONS[name][1]
    assert all((each.source_ip, each.destination_ip, each.destination_port) == (CLIENT, SERVER, 445) for each in told)
    assert [record.uri for record in told] == [smb.dialect for smb in CONNECTIONS[name][1]]
