"""Files over FTP, TFTP, SMB 2 and mail."""

from __future__ import annotations

import hashlib
import struct
from base64 import encodebytes

import pytest

from tests.unit.capture.wire import Frame, udp
from tests.unit.capture_tshark.conversations import CLIENT, SERVER, START, TcpConversation, see

DATA = bytes(range(256)) * 10
SHA256 = hashlib.sha256(DATA).hexdigest()


def split(data, size=1000):
    return [data[at : at + size] for at in range(0, len(data), size)]


def merged(*conversations):
    return sorted(frame for conversation in conversations for frame in conversation.frames)


def ftp(command, *, passive):
    control = TcpConversation(21).server(b"220 ready\r\n").client(b"USER x\r\n").server(b"230 in\r\n")
    if passive:
        control.client(b"PASV\r\n").server(b"227 Entering Passive Mode (10,2,0,2,195,80)\r\n")
        data = TcpConversation(50000, 40001, START + 100_000)
    else:
        control.client(b"PORT 10,1,0,1,195,80\r\n").server(b"200 ok\r\n")
        data = TcpConversation(50000, 20, START + 100_000, (SERVER, CLIENT))
    control.client(command + b"\r\n").server(b"150 go\r\n")
    return control, data


@pytest.mark.parametrize("passive", [True, False])
def test_a_download_over_ftp(tmp_path, passive):
    control, data = ftp(b"RETR pub/program.bin", passive=passive)
    send = data.server if passive else data.client
    first, second, third = split(DATA)
    send(first, second, third)
    data.swap().close()

    (record,) = see(tmp_path / "x.pcap", merged(control, data)).resources("file")

    assert (record.file.name, record.file.protocol, record.file.size) == ("program.bin", "ftp", len(DATA))
    assert (record.file.sha256, record.file.complete) == (SHA256, True)
    opener = (CLIENT, 40001) if passive else (SERVER, 20)
    assert (record.source_ip, record.source_port) == opener


def test_an_upload_over_ftp_and_a_listing_which_is_no_file(tmp_path):
    control, data = ftp(b"STOR up.bin", passive=True)
    data.client(*split(DATA)).close()
    other, listing = ftp(b"LIST", passive=True)
    listing.server(b"-rw-r--r-- up.bin\r\n").close()

    (record,) = see(tmp_path / "x.pcap", merged(control, data)).resources("file")

    assert (record.file.name, record.file.sha256, record.source_ip) == ("up.bin", SHA256, CLIENT)
    assert not see(tmp_path / "y.pcap", merged(other, listing)).put_all


def test_a_transfer_that_did_not_end_is_incomplete(tmp_path):
    control, data = ftp(b"RETR program.bin", passive=True)
    data.server(*split(DATA)[:2])

    (record,) = see(tmp_path / "x.pcap", merged(control, data)).resources("file")

    assert (record.file.size, record.file.complete) == (2000, False)


def tftp(*datagrams):
    request = struct.pack("!H", 1) + b"boot/image.bin\0octet\0"
    frames = [Frame(START, udp(CLIENT, SERVER, 3000, 69, request))]
    for number, (from_server, payload) in enumerate(datagrams, 1):
        ends = (SERVER, CLIENT, 4000, 3000) if from_server else (CLIENT, SERVER, 3000, 4000)
        frames.append(Frame(START + number * 1000, udp(*ends, payload)))
    return frames


def block(number, data):
    return True, struct.pack("!HH", 3, number) + data


def acknowledgement(number):
    return False, struct.pack("!HH", 4, number)


def test_a_file_over_tftp(tmp_path):
    blocks = [block(number, part) for number, part in enumerate(split(DATA, 512), 1)] + [block(6, b"")]
    frames = tftp(*[message for index, one in enumerate(blocks, 1) for message in (one, acknowledgement(index))])

    (record,) = see(tmp_path / "x.pcap", frames).resources("file")

    assert (record.file.name, record.file.protocol, record.uri) == ("image.bin", "tftp", SHA256)
    assert record.file.complete
    assert (record.source_ip, record.source_port) == (SERVER, 4000)


def test_larger_blocks_and_a_lost_one_over_tftp(tmp_path):
    agreed = (True, struct.pack("!H", 6) + b"blksize\x001024\0")
    parts = split(DATA, 1024)
    whole = tftp(agreed, *[block(number, part) for number, part in enumerate(parts, 1)])
    torn = tftp(agreed, block(1, parts[0]), block(3, parts[2]))

    (record,) = see(tmp_path / "x.pcap", whole).resources("file")
    (incomplete,) = see(tmp_path / "y.pcap", torn).resources("file")

    assert (record.uri, record.file.size) == (SHA256, len(DATA))
    assert (incomplete.file.complete, incomplete.file.sha256) == (False, "")


def smb2(command, number, body, *, answer=False, following=0):
    head = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ", 64, 0, 0, command, 1, int(answer), following, number, 0, 1, 1)
    return head + bytes(16) + body


def session(*units):
    message = b"".join(units)
    return struct.pack("!I", len(message)) + message


CREATE, CLOSE, READ, WRITE = 5, 6, 8, 9
HANDLE = b"\x11" * 16
RELATED = b"\xff" * 16


def create(number, name):
    encoded = name.encode("utf-16-le")
    return smb2(CREATE, number, struct.pack("<H42xHH8x", 57, 120, len(encoded)) + encoded + bytes(-len(encoded) % 8))


def created(number, size):
    return smb2(CREATE, number, struct.pack("<H46xQ8x", 89, size) + HANDLE + bytes(8), answer=True)


def read_request(number, offset, handle=HANDLE):
    return smb2(READ, number, struct.pack("<HBBIQ", 49, 0, 0, 1000, offset) + handle + bytes(17))


def read_answer(number, data):
    return smb2(READ, number, struct.pack("<HBBIII", 17, 80, 0, len(data), 0, 0) + data, answer=True)


def write(number, offset, data):
    return smb2(WRITE, number, struct.pack("<HHIQ", 49, 112, len(data), offset) + HANDLE + bytes(16) + data)


def close(number, handle=HANDLE):
    return smb2(CLOSE, number, struct.pack("<HHI", 24, 0, 0) + handle)


def test_a_file_read_over_smb2_in_any_order(tmp_path):
    talk = TcpConversation(445)
    talk.client(session(create(1, "share\\dir\\read.bin"))).server(session(created(1, len(DATA))))
    for number, offset in enumerate((1000, 0, 2000), 2):
        talk.client(session(read_request(number, offset)))
        talk.server(session(read_answer(number, DATA[offset : offset + 1000])))
    talk.client(session(close(9))).close()

    (record,) = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert (record.file.name, record.file.protocol, record.uri) == ("read.bin", "smb", SHA256)
    assert record.file.complete
    assert (record.source_ip, record.destination_port) == (CLIENT, 445)


def test_a_compound_that_opens_reads_and_closes_and_a_file_read_in_part(tmp_path):
    units = [create(1, "part.bin"), read_request(2, 0, RELATED), close(3, RELATED)]
    answers = [created(1, len(DATA)), read_answer(2, DATA[:1000]), smb2(CLOSE, 3, bytes(60), answer=True)]

    def chained(parts):
        padded = [part + bytes(-len(part) % 8) for part in parts[:-1]]
        return [part[:20] + struct.pack("<I", len(part)) + part[24:] for part in padded] + parts[-1:]

    talk = TcpConversation(445).client(session(*chained(units))).server(session(*chained(answers))).close()

    (record,) = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert (record.file.name, record.file.size, record.file.complete) == ("part.bin", 1000, False)
    assert record.uri == hashlib.sha256(DATA[:1000]).hexdigest()


def test_a_file_written_over_smb2(tmp_path):
    talk = TcpConversation(445)
    talk.client(session(create(1, "w.bin"))).server(session(created(1, 0)))
    talk.client(session(write(2, 0, DATA[:1500])), session(write(3, 1500, DATA[1500:])), session(close(4))).close()

    (record,) = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert (record.file.name, record.uri, record.file.complete) == ("w.bin", SHA256, True)


def test_a_broken_smb2_message_is_counted(tmp_path):
    talk = TcpConversation(445).client(session(smb2(WRITE, 1, b"\x31\0\x70\0"))).close()
    seen = see(tmp_path / "x.pcap", talk.frames)

    assert not seen.resources("file")
    assert seen.counts["malformed.smb2"] == 1


def test_a_mail_and_what_is_attached_to_it(tmp_path):
    mail = (
        b"From: a@example.com\r\nTo: b@example.com\r\nSubject: =?utf-8?q?Bl=C3=A4tter?=\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="cut"\r\n\r\n'
        b"--cut\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
        b"--cut\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename*0*=utf-8''bl%C3%A4; filename*1=tter.bin\r\n\r\n"
        + encodebytes(DATA).replace(b"\n", b"\r\n")
        + b"--cut--\r\n"
    )
    talk = TcpConversation(25).server(b"220 ready\r\n").client(b"EHLO c\r\n").server(b"250 s\r\n")
    talk.client(b"MAIL FROM:<a@example.com>\r\n").server(b"250 ok\r\n").client(b"RCPT TO:<b@example.com>\r\n")
    talk.server(b"250 ok\r\n").client(b"DATA\r\n").server(b"354 go\r\n")
    talk.client(*split(mail)).client(b".\r\n").server(b"250 ok\r\n").client(b"QUIT\r\n").server(b"221 bye\r\n").close()

    whole, attached = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert (whole.file.name, whole.file.mime_type, whole.file.protocol) == ("Blätter", "message/rfc822", "smtp")
    assert (attached.file.name, attached.uri, attached.file.size) == ("blätter.bin", SHA256, len(DATA))
    assert attached.source_ip == CLIENT
