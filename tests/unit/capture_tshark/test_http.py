"""HTTP/1: messages, their headers in order, and the files in their bodies."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from capture.tshark.http import parse_head
from tests.unit.capture_tshark.conversations import CLIENT, SERVER, TcpConversation, see

PAGE = b"<html>" + b"tapline " * 2000 + b"</html>"


def response(body=b"", *headers, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", *headers]
    if not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def request(path, *headers, method="GET"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: www.example.com", *headers, "", ""]).encode()


def split(data, size=1000):
    return [data[at : at + size] for at in range(0, len(data), size)]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_a_request_and_its_response_tell_one_url_and_keep_their_headers(tmp_path):
    talk = TcpConversation(80).client(request("/a?b=c", "X-Odd:  1", "accept: */*", "X-Odd: 2"))
    talk.server(response(b"hello", "Content-Type: Text/HTML; charset=utf-8", "Server: s")).close()

    asked, answered = see(tmp_path / "x.pcap", talk.frames).resources("url")

    assert asked.uri == answered.uri == "http://www.example.com/a?b=c"
    assert asked.http.headers == [("Host", "www.example.com"), ("X-Odd", "1"), ("accept", "*/*"), ("X-Odd", "2")]
    assert (asked.http.method, asked.http.host, asked.http.uri) == ("GET", "www.example.com", "/a?b=c")
    assert (answered.http.status_code, answered.http.content_type, answered.http.body_bytes) == (200, "text/html", 5)
    assert (asked.http.server, answered.http.server) == ("", "s")
    assert (asked.source_ip, asked.source_port) == (answered.source_ip, answered.source_port) == (CLIENT, 40000)
    assert asked.community_id == answered.community_id


def test_pipelined_messages_of_one_segment_are_told_apart(tmp_path):
    talk = TcpConversation(80)
    talk.client(request("/none") + request("/one") + request("/empty") + request("/two"))
    talk.server(
        response(status="304 Not Modified")
        + response(b"first", "Content-Type: a/b")
        + response(b"")
        + response(b"second", "Content-Type: c/d")
    ).close()
    seen = see(tmp_path / "x.pcap", talk.frames)

    answered = [record for record in seen.resources("url") if record.http.type == "response"]
    files = seen.resources("file")

    assert [(record.uri[-5:], record.http.status_code, record.http.body_bytes) for record in answered] == [
        ("/none", 304, 0),
        ("m/one", 200, 5),
        ("empty", 200, 0),
        ("m/two", 200, 6),
    ]
    assert [(record.label, record.file.mime_type, record.uri) for record in files] == [
        ("one", "a/b", sha256(b"first")),
        ("two", "c/d", sha256(b"second")),
    ]
    assert not seen.counts["unpaired.http-body"]


def test_a_chunked_and_compressed_body_is_hashed_as_what_it_stands_for(tmp_path):
    packed = gzip.compress(PAGE)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in split(packed, 50)) + b"0\r\n\r\n"
    body = response(chunks, "Transfer-Encoding: chunked", "Content-Encoding: gzip", "Content-Type: text/html")
    talk = TcpConversation(80).client(request("/page.html")).server(*split(body, 60)).close()

    (page,) = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert page.file.sha256 == sha256(PAGE)
    assert page.file.md5 == hashlib.md5(PAGE).hexdigest()
    assert page.file.sha1 == hashlib.sha1(PAGE).hexdigest()
    assert (page.file.name, page.file.size, page.file.complete) == ("page.html", len(PAGE), True)


def test_segments_out_of_order_and_repeated_make_the_same_file(tmp_path):
    body = response(bytes(range(256)) * 40)
    first, second, third, *rest = split(body)
    talk = TcpConversation(80).client(request("/binary")).server(first, second, third).swap().repeat()
    talk.server(*rest).close()

    (file,) = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert file.uri == sha256(bytes(range(256)) * 40)


def test_zero_bytes_do_not_end_a_body(tmp_path):
    talk = TcpConversation(80).client(request("/z")).server(response(b"\0a\0\xff\0")).close()

    (file,) = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert (file.file.size, file.uri) == (5, sha256(b"\0a\0\xff\0"))


def test_a_range_is_not_a_whole_file(tmp_path):
    part = response(b"bcd", "Content-Range: bytes 1-3/9", status="206 Partial Content")
    whole = response(b"abcdefghi", "Content-Range: bytes 0-8/9", status="206 Partial Content")
    talk = TcpConversation(80).client(request("/r")).server(part).client(request("/r")).server(whole).close()

    files = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert [record.file.complete for record in files] == [False, True]


def test_an_upload_is_a_file_too(tmp_path):
    upload = request("/up", "Content-Length: 4", "Content-Type: a/b", method="POST") + b"data"
    talk = TcpConversation(80).client(upload).server(response()).close()

    (file,) = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert (file.file.name, file.uri, file.source_ip) == ("up", sha256(b"data"), CLIENT)


def test_the_server_names_the_file(tmp_path):
    answer = response(b"x", "Content-Disposition: attachment; filename*=UTF-8''na%C3%AFve.txt")
    talk = TcpConversation(80).client(request("/download")).server(answer).close()

    (file,) = see(tmp_path / "x.pcap", talk.frames).resources("file")

    assert file.file.name == "naïve.txt"


def test_a_response_without_its_request_has_no_url(tmp_path):
    talk = TcpConversation(80).server(response(b"x")).close()
    seen = see(tmp_path / "x.pcap", talk.frames)

    (answered,) = seen.resources("url")

    assert (answered.uri, answered.source_ip, answered.destination_ip) == ("", CLIENT, SERVER)


def test_a_continue_is_not_the_answer(tmp_path):
    talk = TcpConversation(80).client(request("/c", "Content-Length: 1", "Expect: 100-continue", method="PUT"))
    talk.server(b"HTTP/1.1 100 Continue\r\n\r\n").client(b"x").server(response(status="201 Created")).close()

    records = see(tmp_path / "x.pcap", talk.frames).resources("url")

    answers = {record.http.status_code: record.uri for record in records if record.http.type == "response"}
    assert answers.keys() == {100, 201}
    assert answers[201] == "http://www.example.com/c"


def test_the_head_is_a_document_and_a_long_one_is_cut_and_counted(tmp_path):
    long = [f"X-{number}: {'x' * 4000}" for number in range(12)]
    talk = TcpConversation(80).client(*split(request("/long", *long))).server(response()).close()
    seen = see(tmp_path / "x.pcap", talk.frames)

    asked, answered = seen.documents("http-headers")

    assert asked.text.startswith("GET /long HTTP/1.1\r\nHost: www.example.com\r\n")
    assert len(asked.text.encode()) == 32 * 1024
    assert answered.text == "HTTP/1.1 200 OK\r\nContent-Length: 0"
    assert seen.counts["truncated.document"] == 1


@pytest.mark.parametrize(
    ("start", "method", "uri", "version"),
    [
        ("GET / HTTP/1.0", "GET", "/", "1.0"),
        ("GET /with space HTTP/1.1", "GET", "/with space", "1.1"),
        ("M-SEARCH * HTTP/1.1", "M-SEARCH", "*", "1.1"),
        ("GET /old", "GET", "/old", "0.9"),
    ],
)
def test_request_lines(start, method, uri, version):
    head = parse_head(f"{start}\r\nHost: h\r\n\r\n".encode())

    assert head is not None
    assert (head.http.method, head.http.uri, head.http.version) == (method, uri, version)


@pytest.mark.parametrize("middle", [b"<p>text</p>\r\n\r\n", b"", b"\xff\xfe\r\n", b"T face=x y\r\n", b"SSH-2.0-x\r\n"])
def test_what_begins_in_the_middle_is_no_message(middle):
    assert parse_head(middle) is None


def test_folded_headers_are_one_and_latin_1_is_read():
    head = parse_head(b"HTTP/1.1 200 OK\r\nX-A: one\r\n  two\r\nX-B: caf\xe9\r\n\r\n")

    assert head is not None
    assert head.http.headers == [("X-A", "one two"), ("X-B", "café")]
