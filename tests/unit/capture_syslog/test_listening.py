"""Lines from the network: datagrams, connections, TLS, and who abuses them."""

from __future__ import annotations

import selectors
import socket
import ssl
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from capture.network.addresses import Address
from capture.settings import SyslogSettings
from capture.syslog import streams
from capture.syslog.addresses import parse_address
from capture.syslog.datagrams import DatagramListener
from tests.unit.capture_syslog.made import Received, connected, listening
from tests.waiting import wait_for
from topics.errors import TaplineError


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own for 127.0.0.1, ``cert.pem`` and ``key.pem``."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def tls_settings(folder: Path, **more: str) -> SyslogSettings:
    return SyslogSettings(certificate_file=str(folder / "cert.pem"), key_file=str(folder / "key.pem"), **more)


def test_datagrams():
    with listening("udp") as (port, received), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in (b"<13>app: one\n", b"<13>app: two\nlines", b"", b"\n", b"bad"):
            sender.sendto(datagram, ("127.0.0.1", port))
        wait_for(lambda: received.sink.counts["lines"] == 3, "three lines")
    assert received.texts == ["one", "two\nlines"]
    assert {document.source_ip for document in received.documents} == {"127.0.0.1"}
    assert received.reasons == {"no-priority": 1}
    assert received.sink.counts["empty"] == 2


def test_datagrams_of_ipv6():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    assert parse_address("syslog:udp://[::1]:5514") == Address("udp", "::1", 5514)
    assert str(Address("udp", "::1", 5514)) == "udp://[::1]:5514"
    assert parse_address("syslog:tls://") == Address("tls", "", 6514)


def test_a_datagram_that_is_too_long_is_cut():
    with (
        listening("udp", SyslogSettings(longest_line=480)) as (port, received),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.sendto(b"<13>app: " + b"x" * 1000, ("127.0.0.1", port))
        wait_for(lambda: received.documents, "the line")
    assert len(received.texts[0]) == 480 - len("<13>app: ")
    assert received.sink.counts["cut"] == 1


def test_what_the_kernel_drops_is_counted():
    received = Received()
    listener = DatagramListener(
        Address("udp", "127.0.0.1", 0), SyslogSettings(receive_buffer=4096), None, received.sink
    )  # type: ignore[arg-type]
    try:
        assert listener.lost() == 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(200):
                sender.sendto(b"x" * 1000, ("127.0.0.1", listener.port))
        waiting = 0
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while selector.select(0):
                waiting += len(listener._socket.burst(1))
        assert listener.lost() == 200 - waiting > 0
        assert listener.lost() == 0
    finally:
        listener.close()


def test_a_connection_counts_octets_or_ends_lines():
    with listening("tcp") as (port, received):
        with connected(port) as counting, connected(port) as lines:
            counting.sendall(b"13 <13>app: o\nne12 <13>app: two")
            lines.sendall(b"<13>app: three\n<13>app: fo")
            lines.sendall(b"ur\r\n<13>app: last")
            wait_for(lambda: len(received.documents) == 4, "four lines")
        wait_for(lambda: len(received.documents) == 5, "the last line, which has no end")
    assert sorted(received.texts) == ["four", "last", "o\nne", "three", "two"]
    assert received.sink.counts["connections.accepted"] == received.sink.counts["connections.closed"] == 2


def test_half_a_message_is_refused():
    with listening("tcp") as (port, received):
        with connected(port) as sender:
            sender.sendall(b"16 <1>2")
        wait_for(lambda: received.letters, "the half message")
    assert received.reasons == {"incomplete": 1}


def test_lost_framing_ends_the_connection():
    with listening("tcp") as (port, received), connected(port) as sender:
        sender.sendall(b"12 <13>app: one<13>app: two")
        assert sender.recv(1) == b""
        wait_for(lambda: received.letters, "what could not be read")
    assert received.texts == ["one"]
    assert received.reasons == {"framing": 1}
    assert received.sink.counts["connections.broken"] == 1


def test_no_more_connections_than_allowed():
    with listening("tcp", SyslogSettings(connections=1)) as (port, received), connected(port) as first:
        first.sendall(b"<13>app: one\n")
        wait_for(lambda: received.documents, "the first line")
        with connected(port) as second:
            assert second.recv(1) == b""
        first.sendall(b"<13>app: two\n")
        wait_for(lambda: len(received.documents) == 2, "the second line")
    assert received.sink.counts["connections.refused"] == 1


def test_who_is_silent_is_let_go():
    with listening("tcp", SyslogSettings(idle_seconds=1)) as (port, received), connected(port) as sender:
        sender.sendall(b"<13>app: one\n")
        assert sender.recv(1) == b""
    assert received.sink.counts["connections.idle"] == 1
    assert received.texts == ["one"]


@pytest.mark.parametrize("begun", [b"<13>app: never end", b"99 <13>app: never end", b"<13>" + b"x" * 200_000])
def test_who_never_ends_a_message_is_let_go(monkeypatch, begun):
    monkeypatch.setattr(streams, "_SLOW", 1.0)
    with listening("tcp") as (port, received), connected(port) as sender:
        sender.sendall(begun)
        assert sender.recv(1) == b""
    assert received.sink.counts["connections.slow"] == 1
    assert sum(received.reasons.values()) == 1


def test_an_endless_line_takes_no_more_memory_and_holds_up_nobody():
    tracemalloc.start()
    try:
        with listening("tcp") as (port, received), connected(port) as endless, connected(port) as other:
            endless.sendall(b"<13>app: ")
            for number in range(200):
                endless.sendall(b"x" * (1 << 17))
                other.sendall(b"<13>app: %d\n" % number)
            wait_for(
                lambda: len(received.documents) == 201, "the other's lines, and the first bytes of the endless one"
            )
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(200):
                endless.sendall(b"x" * (1 << 17))
            endless.sendall(b"\n<13>app: end\n")
            wait_for(lambda: len(received.documents) == 202, "the end of the line")
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (cut,) = (text for text in received.texts if text.startswith("x"))
    assert len(cut) <= SyslogSettings().longest_line
    assert [text for text in received.texts if text != cut] == [*map(str, range(200)), "end"]
    assert received.sink.counts["cut"] == 1
    assert peak - before < 2 << 20


def test_tls(certificates):
    context = ssl.create_default_context(cafile=str(certificates / "cert.pem"))
    with (
        listening("tls", tls_settings(certificates)) as (port, received),
        connected(port) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sender,
    ):
        for number in range(3000):
            line = b"<13>app: %d" % number
            sender.sendall(b"%d %b" % (len(line), line))
        wait_for(lambda: len(received.documents) == 3000, "all lines")
    assert received.texts == [str(number) for number in range(3000)]


def test_tls_of_whom_is_known_alone(certificates):
    settings = tls_settings(certificates, client_ca_file=str(certificates / "cert.pem"))
    context = ssl.create_default_context(cafile=str(certificates / "cert.pem"))
    known = ssl.create_default_context(cafile=str(certificates / "cert.pem"))
    known.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    with listening("tls", settings) as (port, received):
        with connected(port) as plain, pytest.raises((ssl.SSLError, ConnectionResetError)):  # noqa: PT012
            sender = context.wrap_socket(plain, server_hostname="127.0.0.1")
            sender.sendall(b"12 <13>app: one")
            sender.recv(1)
        sender.close()
        with connected(port) as plain, known.wrap_socket(plain, server_hostname="127.0.0.1") as good:
            good.sendall(b"12 <13>app: two")
            wait_for(lambda: received.documents, "the line")
    assert received.texts == ["two"]
    assert received.sink.counts["connections.tls"] == 1


def test_who_speaks_no_tls_is_let_go(certificates):
    with listening("tls", tls_settings(certificates)) as (port, received), connected(port) as sender:
        sender.sendall(b"<13>app: one\n")
        wait_for(lambda: received.sink.counts["connections.tls"], "the end of the connection")
    assert not received.documents


def test_files_that_are_no_certificate_are_said(tmp_path):
    bad = tmp_path / "cert.pem"
    bad.write_text("no certificate")
    with (
        pytest.raises(TaplineError, match="cannot be used for TLS"),
        listening("tls", SyslogSettings(certificate_file=str(bad))),
    ):
        pass


def test_a_port_that_is_taken_is_said():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(
            TaplineError, match=f"cannot listen on udp://127.0.0.1:{port}: another program listens there"
        ):
            DatagramListener(Address("udp", "127.0.0.1", port), SyslogSettings(), None, Received().sink)  # type: ignore[arg-type]
