"""What first bytes say, also of files that come in pieces."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from capture.tshark.assembly import Assembly, file_of
from capture.tshark.formats import format_of
from tests.unit.capture_tshark.conversations import TcpConversation, see


def archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("a", "b")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"MZ\x90\0" + bytes(60), "pe"),
        (b"\x7fELF\x02\x01", "elf"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "java-class"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", "mach-o"),
        (b"#!/bin/sh\n", "script"),
        (archive(), "zip"),
        (gzip.compress(b"x", mtime=0), "gzip"),
        (b"\r\n <!DOCTYPE HTML>", "html"),
        (b"plain text", ""),
        (b"", ""),
    ],
)
def test_a_signature_names_its_format(content, name):
    assert format_of(content) == name
    assert file_of(content, "ftp", "x").format == name


def test_the_first_bytes_are_known_when_they_come_last():
    assembly = Assembly()
    assembly.add(1, b"ELF" + bytes(2000))
    assembly.add(0, b"\x7f")

    assert assembly.file("p", "n").format == "elf"


def test_a_program_said_to_be_a_picture_is_told_as_what_it_is(tmp_path):
    body = b"MZ" + bytes(200)
    talk = TcpConversation(80).client(b"GET /cat.png HTTP/1.1\r\nHost: x\r\n\r\n")
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 202\r\n\r\n" + body)
    (record,) = see(tmp_path / "x.pcap", talk.close().frames).resources("file")

    assert (record.file.mime_type, record.file.format) == ("image/png", "pe")
