"""Real senders of syslog: logger and rsyslogd, over UDP, TCP and TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from capture.settings import SyslogSettings
from tapline.services.ports import free_port
from tests.unit.capture_syslog.made import listening
from tests.waiting import wait_for

LOGGER = shutil.which("logger")
RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
DRIVERS = [
    name
    for name, module in (("ossl", "lmnsd_ossl.so"), ("gtls", "lmnsd_gtls.so"))
    if any(Path("/usr/lib").glob(f"*/rsyslog/{module}"))
]
TEXT = 'It\'s "real"; [not] structured: äöü'


@pytest.mark.skipif(LOGGER is None, reason="logger is not installed (apt install bsdutils)")
@pytest.mark.parametrize("form", ["--rfc3164", "--rfc5424"])
@pytest.mark.parametrize(
    ("transport", "options"), [("udp", ["--udp"]), ("tcp", ["--tcp"]), ("tcp", ["--tcp", "--octet-count"])]
)
def test_logger(transport, options, form):
    with listening(transport) as (port, received):
        command = ["logger", "--server", "127.0.0.1", "--port", str(port), *options, form, "--tag", "Prog"]
        command += ["--priority", "local3.warning", "--id=77", TEXT]
        subprocess.run(command, check=True, timeout=30)
        wait_for(lambda: received.documents, "the line")
    assert not received.reasons
    (document,) = received.documents
    head = document.syslog
    assert head is not None
    assert (document.key, document.text, document.source_ip) == ("prog", TEXT, "127.0.0.1")
    assert (head.facility, head.severity, head.application, head.process_id) == (19, 4, "Prog", "77")
    assert head.hostname.partition(".")[0] == socket.gethostname().partition(".")[0]
    assert not head.received
    assert ("timeQuality" in head.structured_data) == (form == "--rfc5424")


@contextmanager
def rsyslogd(folder: Path, configuration: str) -> Iterator[int]:
    """An rsyslogd that forwards what comes to a UDP port; that port."""
    assert RSYSLOGD is not None
    port = free_port([])
    file = folder / "rsyslog.conf"
    file.write_text(
        f'module(load="imudp")\n{configuration}\ninput(type="imudp" address="127.0.0.1" port="{port}")\n',
        encoding="utf-8",
    )
    with subprocess.Popen([RSYSLOGD, "-n", "-f", file, "-i", folder / "pid"], stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: f":{port:04X}" in Path("/proc/net/udp").read_text(encoding="ascii"), "rsyslogd to listen")
            yield port
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.skipif(RSYSLOGD is None, reason="rsyslogd is not installed (apt install rsyslog)")
def test_rsyslogd(tmp_path):
    with ExitStack() as stack:
        udp, at_udp = stack.enter_context(listening("udp"))
        tcp, at_tcp = stack.enter_context(listening("tcp"))
        action = 'action(type="omfwd" target="127.0.0.1" '
        configuration = "\n".join(
            [
                f'{action} port="{udp}" protocol="udp")',
                f'{action} port="{tcp}" protocol="tcp" TCP_Framing="octet-counted"',
                '  template="RSYSLOG_SyslogProtocol23Format")',
                f'{action} port="{tcp}" protocol="tcp" TCP_Framing="traditional")',
            ]
        )
        _forwards(tmp_path, configuration, {at_udp: 200, at_tcp: 400}, stack)
    assert sorted(at_udp.texts) == sorted(f"number {number}" for number in range(200))
    assert sorted(at_tcp.texts) == sorted(f"number {number}" for number in range(200) for _ in range(2))
    for received in (at_udp, at_tcp):
        assert {document.key for document in received.documents} == {"prog"}
        assert {document.syslog.hostname for document in received.documents} == {"box"}
    assert {document.syslog.version for document in at_tcp.documents} == {0, 1}


@pytest.mark.skipif(RSYSLOGD is None or not DRIVERS, reason="rsyslog's TLS is not installed (rsyslog-openssl)")
def test_rsyslogd_over_tls(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tapline"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    settings = SyslogSettings(certificate_file=str(certificate), key_file=str(key))
    with ExitStack() as stack:
        port, received = stack.enter_context(listening("tls", settings))
        configuration = "\n".join(
            [
                f'global(DefaultNetstreamDriver="{DRIVERS[0]}" DefaultNetstreamDriverCAFile="{certificate}")',
                f'action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted"',
                '  StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="tapline"',
                '  template="RSYSLOG_SyslogProtocol23Format")',
            ]
        )
        _forwards(tmp_path, configuration, {received: 200}, stack)
    assert sorted(received.texts) == sorted(f"number {number}" for number in range(200))
    assert not received.reasons


def _forwards(folder: Path, configuration: str, wanted: dict, stack: ExitStack) -> None:
    """Send 200 lines through an rsyslogd and wait for what is wanted of them."""
    port = stack.enter_context(rsyslogd(folder, configuration))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(200):
            sender.sendto(b"<14>1 2026-01-01T00:00:00Z box Prog 1 - - number %d" % number, ("127.0.0.1", port))
    for received, lines in wanted.items():
        wait_for(lambda received=received, lines=lines: len(received.documents) >= lines, f"{lines} lines", seconds=20)
